CREATE TABLE "recant"."api_keys" (
	"key_id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"scopes" text[] NOT NULL,
	"namespaces" text[],
	"requests_per_minute" integer,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "api_keys_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "recant"."deliveries" (
	"delivery_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"rollback_id" uuid NOT NULL,
	"url" text NOT NULL,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."derivations" (
	"chain_id" bigint NOT NULL,
	"position" bigint NOT NULL,
	"set_no" smallint NOT NULL,
	"source_no" smallint NOT NULL,
	"memory_key" uuid NOT NULL,
	"source_key" uuid NOT NULL,
	"source_namespace" text NOT NULL,
	"source_id" text NOT NULL,
	"source_hash" "bytea" NOT NULL,
	"depth" smallint NOT NULL,
	CONSTRAINT "derivations_chain_id_position_set_no_source_no_pk" PRIMARY KEY("chain_id","position","set_no","source_no")
);
--> statement-breakpoint
CREATE TABLE "recant"."embeddings" (
	"model" text NOT NULL,
	"input_hash" "bytea" NOT NULL,
	"vector" "bytea" NOT NULL,
	"used_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "embeddings_model_input_hash_pk" PRIMARY KEY("model","input_hash")
);
--> statement-breakpoint
CREATE TABLE "recant"."links" (
	"chain_id" bigint NOT NULL,
	"link_key" uuid NOT NULL,
	"namespace" text NOT NULL,
	"type" text NOT NULL,
	"from_key" uuid NOT NULL,
	"to_key" uuid NOT NULL,
	CONSTRAINT "links_chain_id_link_key_pk" PRIMARY KEY("chain_id","link_key")
);
--> statement-breakpoint
CREATE TABLE "recant"."namespace_settings" (
	"chain_id" bigint NOT NULL,
	"namespace" text NOT NULL,
	"settings" text NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "namespace_settings_chain_id_namespace_pk" PRIMARY KEY("chain_id","namespace")
);
--> statement-breakpoint
CREATE TABLE "recant"."results" (
	"chain_id" bigint NOT NULL,
	"namespace" text NOT NULL,
	"model" text NOT NULL,
	"input_hash" "bytea" NOT NULL,
	"output" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"used_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "results_chain_id_namespace_model_input_hash_pk" PRIMARY KEY("chain_id","namespace","model","input_hash")
);
--> statement-breakpoint
ALTER TABLE "recant"."idempotency_keys" ADD COLUMN "caller" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."idempotency_keys" DROP CONSTRAINT "idempotency_keys_chain_id_key_pk";--> statement-breakpoint
ALTER TABLE "recant"."idempotency_keys" ADD CONSTRAINT "idempotency_keys_chain_id_caller_key_pk" PRIMARY KEY("chain_id","caller","key");--> statement-breakpoint
ALTER TABLE "recant"."inbox" ADD COLUMN "caller" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."operations" ADD COLUMN "anchors" text;--> statement-breakpoint
ALTER TABLE "recant"."operations" ADD COLUMN "sources" text;--> statement-breakpoint
ALTER TABLE "recant"."operations" ADD COLUMN "policy" text DEFAULT 'recant' NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."operations" ADD COLUMN "suspect" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."shadow_versions" ADD COLUMN "expires_time" bigint;--> statement-breakpoint
ALTER TABLE "recant"."shadow_versions" ADD COLUMN "suspect" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."shadow_versions" ADD COLUMN "grounds_block" bigint;--> statement-breakpoint
ALTER TABLE "recant"."versions" ADD COLUMN "expires_time" bigint;--> statement-breakpoint
ALTER TABLE "recant"."versions" ADD COLUMN "suspect" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."versions" ADD COLUMN "grounds_block" bigint;--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_once" ON "recant"."deliveries" USING btree ("rollback_id","url");--> statement-breakpoint
CREATE INDEX "deliveries_by_chain" ON "recant"."deliveries" USING btree ("chain_id","created_at");--> statement-breakpoint
CREATE INDEX "derivations_by_source" ON "recant"."derivations" USING btree ("chain_id","source_key","source_hash");--> statement-breakpoint
CREATE INDEX "embeddings_by_use" ON "recant"."embeddings" USING btree ("used_at");--> statement-breakpoint
CREATE INDEX "links_from" ON "recant"."links" USING btree ("chain_id","from_key","type");--> statement-breakpoint
CREATE INDEX "links_to" ON "recant"."links" USING btree ("chain_id","to_key","type");--> statement-breakpoint
CREATE INDEX "results_by_use" ON "recant"."results" USING btree ("used_at");--> statement-breakpoint
CREATE INDEX "operations_by_memory" ON "recant"."operations" USING btree ("chain_id","namespace","id","position");--> statement-breakpoint
CREATE INDEX "versions_by_expiry_time" ON "recant"."versions" USING btree ("chain_id","expires_time") WHERE expires_time is not null;--> statement-breakpoint
UPDATE "recant"."versions" SET "grounds_block" = "from_block" WHERE "owner" = 0;--> statement-breakpoint
UPDATE "recant"."shadow_versions" SET "grounds_block" = "from_block" WHERE "owner" = 0;--> statement-breakpoint
UPDATE "recant"."operations" SET "anchors" = json_build_object('mode', 'all', 'anchors', json_build_array(
	json_strip_nulls(json_build_object(
		'kind', "anchor_kind",
		'blockHash', CASE WHEN "anchor_kind" = 'block' THEN "anchor_block" END,
		'transactionHash', "anchor_transaction",
		'effectsHash', "effects_hash",
		'place', CASE WHEN "status" <> 'suspended' THEN
			json_build_object('blockHash', "anchor_block", 'height', "anchor_height"::text) END
	))))::text WHERE "anchor_kind" <> 'none';