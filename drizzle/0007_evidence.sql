ALTER TABLE "recant"."chains" ADD COLUMN "genesis_hash" text;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "evidence" text;