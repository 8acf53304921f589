CREATE SCHEMA "recant";
--> statement-breakpoint
CREATE TABLE "recant"."blocks" (
	"chain_id" bigint NOT NULL,
	"height" bigint NOT NULL,
	"from_gen" bigint NOT NULL,
	"to_gen" bigint NOT NULL,
	"hash" text NOT NULL,
	"parent_hash" text NOT NULL,
	"timestamp" bigint NOT NULL,
	"checksum" "bytea" NOT NULL,
	CONSTRAINT "blocks_chain_id_height_from_gen_pk" PRIMARY KEY("chain_id","height","from_gen")
);
--> statement-breakpoint
CREATE TABLE "recant"."chains" (
	"chain_id" bigint PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"start_block" bigint NOT NULL,
	"generation" bigint DEFAULT 0 NOT NULL,
	"head_height" bigint,
	"safe_height" bigint,
	"finalized_height" bigint,
	"log_position" bigint DEFAULT 0 NOT NULL,
	"version_seq" bigint DEFAULT 0 NOT NULL,
	"roots" text NOT NULL,
	"retained_from" bigint NOT NULL,
	"log_cut_to" bigint DEFAULT 0 NOT NULL,
	"handlers_hash" text NOT NULL,
	"halt" text,
	"fence" bigint DEFAULT 0 NOT NULL,
	"lease_holder" text,
	"lease_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."checkpoints" (
	"chain_id" bigint NOT NULL,
	"height" bigint NOT NULL,
	"from_gen" bigint NOT NULL,
	"to_gen" bigint NOT NULL,
	"block_hash" text NOT NULL,
	"log_position" bigint NOT NULL,
	"version_id" bigint NOT NULL,
	"roots" text NOT NULL,
	"pointers" text NOT NULL,
	"checksum" "bytea" NOT NULL,
	CONSTRAINT "checkpoints_chain_id_height_from_gen_pk" PRIMARY KEY("chain_id","height","from_gen")
);
--> statement-breakpoint
CREATE TABLE "recant"."collections" (
	"chain_id" bigint NOT NULL,
	"name" text NOT NULL,
	"model" text NOT NULL,
	"dimensions" integer NOT NULL,
	"table_name" text NOT NULL,
	"table_version" bigint NOT NULL,
	"pointer_version_id" bigint NOT NULL,
	"pointer_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "collections_chain_id_name_pk" PRIMARY KEY("chain_id","name")
);
--> statement-breakpoint
CREATE TABLE "recant"."consistency_runs" (
	"run_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"level" text NOT NULL,
	"state" text NOT NULL,
	"cause" text NOT NULL,
	"generation" bigint,
	"height" bigint,
	"log_position" bigint,
	"score" double precision,
	"rules" text DEFAULT '{}' NOT NULL,
	"counts" text DEFAULT '{}' NOT NULL,
	"error" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."findings" (
	"run_id" uuid NOT NULL,
	"seq" integer NOT NULL,
	"class" text NOT NULL,
	"severity" text NOT NULL,
	"body" text NOT NULL,
	CONSTRAINT "findings_run_id_seq_pk" PRIMARY KEY("run_id","seq")
);
--> statement-breakpoint
CREATE TABLE "recant"."generations" (
	"chain_id" bigint NOT NULL,
	"generation" bigint NOT NULL,
	"ancestor_height" bigint,
	"rollback_id" uuid,
	"last_height" bigint,
	"last_version_id" bigint,
	"pointers" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "generations_chain_id_generation_pk" PRIMARY KEY("chain_id","generation")
);
--> statement-breakpoint
CREATE TABLE "recant"."idempotency_keys" (
	"chain_id" bigint NOT NULL,
	"key" text NOT NULL,
	"body_hash" "bytea" NOT NULL,
	"operation_ids" uuid[] NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "idempotency_keys_chain_id_key_pk" PRIMARY KEY("chain_id","key")
);
--> statement-breakpoint
CREATE TABLE "recant"."inbox" (
	"chain_id" bigint NOT NULL,
	"entry_id" bigserial NOT NULL,
	"operation_count" integer NOT NULL,
	"body" text NOT NULL,
	"received_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "inbox_chain_id_entry_id_pk" PRIMARY KEY("chain_id","entry_id")
);
--> statement-breakpoint
CREATE TABLE "recant"."installation" (
	"only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "recant"."log" (
	"chain_id" bigint NOT NULL,
	"position" bigint NOT NULL,
	"generation" bigint NOT NULL,
	"height" bigint NOT NULL,
	"kind" text NOT NULL,
	"operation_id" uuid,
	"memory_key" uuid,
	"body" text NOT NULL,
	"checksum" "bytea" NOT NULL,
	"recorded_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "log_chain_id_position_pk" PRIMARY KEY("chain_id","position")
);
--> statement-breakpoint
CREATE TABLE "recant"."memories" (
	"chain_id" bigint NOT NULL,
	"namespace" text NOT NULL,
	"layer" smallint NOT NULL,
	"id" text NOT NULL,
	"memory_key" uuid NOT NULL,
	CONSTRAINT "memories_chain_id_namespace_layer_id_pk" PRIMARY KEY("chain_id","namespace","layer","id")
);
--> statement-breakpoint
CREATE TABLE "recant"."operations" (
	"chain_id" bigint NOT NULL,
	"operation_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"namespace" text NOT NULL,
	"id" text NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"position" bigint,
	"original_slot" bigint,
	"effective_slot" bigint,
	"judged_slot" bigint,
	"version_id" bigint,
	"anchor_kind" text NOT NULL,
	"anchor_transaction" text,
	"anchor_block" text,
	"anchor_height" bigint,
	"effects_hash" text,
	"final" boolean DEFAULT false NOT NULL,
	CONSTRAINT "operations_chain_id_operation_id_pk" PRIMARY KEY("chain_id","operation_id")
);
--> statement-breakpoint
CREATE TABLE "recant"."outbox" (
	"outbox_id" bigserial PRIMARY KEY NOT NULL,
	"topic" text NOT NULL,
	"payload" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "recant"."repairs" (
	"repair_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"run_id" uuid NOT NULL,
	"state" text NOT NULL,
	"counts" text DEFAULT '{}' NOT NULL,
	"outcomes" text DEFAULT '[]' NOT NULL,
	"error" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."rollback_parts" (
	"rollback_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"part" text NOT NULL,
	"seq" integer NOT NULL,
	"body" text NOT NULL,
	CONSTRAINT "rollback_parts_rollback_id_attempt_part_seq_pk" PRIMARY KEY("rollback_id","attempt","part","seq")
);
--> statement-breakpoint
CREATE TABLE "recant"."rollbacks" (
	"rollback_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"cause" text NOT NULL,
	"state" text NOT NULL,
	"stage" text,
	"from_generation" bigint NOT NULL,
	"ancestor_height" bigint NOT NULL,
	"ancestor_hash" text NOT NULL,
	"from_height" bigint NOT NULL,
	"from_hash" text NOT NULL,
	"to_height" bigint NOT NULL,
	"to_hash" text NOT NULL,
	"branch" text NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"supersessions" integer DEFAULT 0 NOT NULL,
	"claim_holder" text,
	"claim_until" timestamp with time zone,
	"done" integer DEFAULT 0 NOT NULL,
	"total" integer DEFAULT 0 NOT NULL,
	"counts" jsonb NOT NULL,
	"stage_ms" jsonb NOT NULL,
	"error" jsonb,
	"report" text,
	"superseded_by" uuid,
	"strategy" text,
	"strategy_reason" text,
	"wanted_strategy" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."shadow_versions" (
	"shadow_id" uuid NOT NULL,
	"memory_key" uuid NOT NULL,
	"from_block" bigint NOT NULL,
	"from_gen" bigint NOT NULL,
	"kept" boolean DEFAULT false NOT NULL,
	"expires_block" bigint,
	"version_id" bigint NOT NULL,
	"position" bigint NOT NULL,
	"layer" smallint NOT NULL,
	"owner" smallint NOT NULL,
	"namespace" text NOT NULL,
	"id" text NOT NULL,
	"content" text,
	"text" text,
	"collection" text,
	"importance" double precision,
	"confidence" double precision,
	"vector_hash" "bytea",
	"content_hash" "bytea" NOT NULL,
	"checksum" "bytea" NOT NULL,
	"vector" "bytea",
	CONSTRAINT "shadow_versions_shadow_id_memory_key_pk" PRIMARY KEY("shadow_id","memory_key")
);
--> statement-breakpoint
CREATE TABLE "recant"."shadows" (
	"shadow_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"purpose" text NOT NULL,
	"owner_id" uuid NOT NULL,
	"height" bigint NOT NULL,
	"progress" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "recant"."snapshots" (
	"snapshot_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"state" text NOT NULL,
	"kind" text NOT NULL,
	"parent_id" uuid,
	"cause" text NOT NULL,
	"height" bigint NOT NULL,
	"generation" bigint NOT NULL,
	"block_hash" text NOT NULL,
	"log_position" bigint NOT NULL,
	"version_id" bigint NOT NULL,
	"roots" text NOT NULL,
	"manifest_hash" text,
	"memories" bigint DEFAULT 0 NOT NULL,
	"chunks" integer DEFAULT 0 NOT NULL,
	"raw_bytes" bigint DEFAULT 0 NOT NULL,
	"stored_bytes" bigint DEFAULT 0 NOT NULL,
	"progress" text,
	"error" jsonb,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"stored_at" timestamp with time zone,
	"verified_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."vector_rows" (
	"chain_id" bigint NOT NULL,
	"collection" text NOT NULL,
	"version_id" bigint NOT NULL,
	"memory_key" uuid NOT NULL,
	"namespace" text NOT NULL,
	"layer" smallint NOT NULL,
	"from_block" bigint NOT NULL,
	"vector" "bytea" NOT NULL,
	"checksum" "bytea" NOT NULL,
	CONSTRAINT "vector_rows_chain_id_collection_version_id_pk" PRIMARY KEY("chain_id","collection","version_id")
);
--> statement-breakpoint
CREATE TABLE "recant"."versions" (
	"chain_id" bigint NOT NULL,
	"memory_key" uuid NOT NULL,
	"from_block" bigint NOT NULL,
	"from_gen" bigint NOT NULL,
	"to_block" bigint NOT NULL,
	"to_gen" bigint NOT NULL,
	"expires_block" bigint,
	"version_id" bigint NOT NULL,
	"position" bigint NOT NULL,
	"layer" smallint NOT NULL,
	"owner" smallint NOT NULL,
	"namespace" text NOT NULL,
	"id" text NOT NULL,
	"content" text,
	"text" text,
	"collection" text,
	"importance" double precision,
	"confidence" double precision,
	"vector_hash" "bytea",
	"content_hash" "bytea" NOT NULL,
	"checksum" "bytea" NOT NULL,
	CONSTRAINT "versions_chain_id_memory_key_from_block_from_gen_pk" PRIMARY KEY("chain_id","memory_key","from_block","from_gen")
);
--> statement-breakpoint
CREATE INDEX "blocks_by_hash" ON "recant"."blocks" USING btree ("chain_id","hash");--> statement-breakpoint
CREATE INDEX "consistency_runs_by_chain" ON "recant"."consistency_runs" USING btree ("chain_id","started_at");--> statement-breakpoint
CREATE INDEX "idempotency_by_age" ON "recant"."idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "operations_open" ON "recant"."operations" USING btree ("chain_id","position") WHERE not final;--> statement-breakpoint
CREATE INDEX "repairs_by_chain" ON "recant"."repairs" USING btree ("chain_id","started_at");--> statement-breakpoint
CREATE INDEX "rollbacks_by_chain" ON "recant"."rollbacks" USING btree ("chain_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "rollbacks_active" ON "recant"."rollbacks" USING btree ("chain_id") WHERE state in ('recorded', 'running', 'prepared');--> statement-breakpoint
CREATE INDEX "snapshots_by_chain" ON "recant"."snapshots" USING btree ("chain_id","height");--> statement-breakpoint
CREATE INDEX "versions_by_layer" ON "recant"."versions" USING btree ("chain_id","layer","from_block");--> statement-breakpoint
CREATE INDEX "versions_by_expiry" ON "recant"."versions" USING btree ("chain_id","expires_block") WHERE expires_block is not null;