CREATE TABLE "recant"."thinned_ranges" (
	"chain_id" bigint NOT NULL,
	"from_block" bigint NOT NULL,
	"to_block" bigint NOT NULL,
	"every" bigint NOT NULL,
	CONSTRAINT "thinned_ranges_chain_id_from_block_pk" PRIMARY KEY("chain_id","from_block")
);
--> statement-breakpoint
ALTER TABLE "recant"."deliveries" ALTER COLUMN "rollback_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."chains" ADD COLUMN "derived_hash" text;--> statement-breakpoint
ALTER TABLE "recant"."chains" ADD COLUMN "derived_parts" text;--> statement-breakpoint
ALTER TABLE "recant"."chains" ADD COLUMN "derived_position" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."chains" ADD COLUMN "genesis_hash" text;--> statement-breakpoint
ALTER TABLE "recant"."generations" ADD COLUMN "retained_before" bigint;--> statement-breakpoint
ALTER TABLE "recant"."deliveries" ADD COLUMN "kind" text DEFAULT 'rollback.committed' NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."deliveries" ADD COLUMN "data" text;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "takeovers" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "evidence" text;