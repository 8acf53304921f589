ALTER TABLE "recant"."operations" DROP COLUMN "anchor_kind";--> statement-breakpoint
ALTER TABLE "recant"."operations" DROP COLUMN "anchor_transaction";--> statement-breakpoint
ALTER TABLE "recant"."operations" DROP COLUMN "anchor_block";--> statement-breakpoint
ALTER TABLE "recant"."operations" DROP COLUMN "effects_hash";