ALTER TABLE "recant"."deliveries" ALTER COLUMN "rollback_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."deliveries" ADD COLUMN "kind" text DEFAULT 'rollback.committed' NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."deliveries" ADD COLUMN "data" text;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "takeovers" integer DEFAULT 0 NOT NULL;