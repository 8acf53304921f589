CREATE TABLE "recant"."recoveries" (
	"recovery_id" uuid PRIMARY KEY NOT NULL,
	"chain_id" bigint NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"problem" text NOT NULL,
	"evidence" text NOT NULL,
	"attempt" integer NOT NULL,
	"error" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "recant"."rollback_tasks" (
	"rollback_id" uuid NOT NULL,
	"attempt" integer NOT NULL,
	"task" integer NOT NULL,
	"body" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"claim_holder" text,
	"claim_until" timestamp with time zone,
	"takes" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "rollback_tasks_rollback_id_attempt_task_pk" PRIMARY KEY("rollback_id","attempt","task")
);
--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "paused" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "failed_stage" text;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "retries" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "stage_started_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "recant"."rollbacks" ADD COLUMN "recovery_id" uuid;--> statement-breakpoint
CREATE INDEX "recoveries_by_chain" ON "recant"."recoveries" USING btree ("chain_id","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "recoveries_running" ON "recant"."recoveries" USING btree ("chain_id") WHERE state = 'running';