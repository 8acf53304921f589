ALTER TABLE "recant"."chains" ADD COLUMN "window_blocks" integer DEFAULT 1024 NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."chains" ADD COLUMN "window_from" bigint DEFAULT 0 NOT NULL;