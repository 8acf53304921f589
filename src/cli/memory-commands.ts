/** The commands on one memory: add, get, update, delete, history. Lists and searches are in program.ts. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { AnchorInput } from "../client/requests.ts";
import type { Layer } from "../domain/layer.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JsonObject } from "../domain/operation.ts";
import { LOSS_POLICIES, type LossPolicy } from "../domain/provenance.ts";
import {
	atArgument,
	countArgument,
	hashArgument,
	heightArgument,
	layerArgument,
} from "./arguments.ts";
import { type CommandRun, inSession } from "./command-run.ts";
import { getMemory, memoryHistory, writeMemory } from "./commands/memories.ts";
import { UsageError } from "./failure.ts";

const NAMESPACE_HELP = "the memory's namespace; `default` if left out";

export function addMemoryCommands(program: Command, run: CommandRun): void {
	addAdd(program, run);
	addGet(program, run);
	addUpdate(program, run);
	addDelete(program, run);
	addHistory(program, run);
}

interface WriteFlags {
	readonly namespace?: string;
	readonly anchorBlock?: string;
	readonly anchorTransaction?: string;
	readonly onLoss?: LossPolicy;
	readonly ifVersion?: string;
	readonly key?: string;
}

/** What every write may say beside what it writes. */
function grounded(command: Command): Command {
	return command
		.option("--namespace <namespace>", NAMESPACE_HELP)
		.option("--anchor-block <hash>", "it holds while this block is canonical", hashArgument)
		.option(
			"--anchor-transaction <hash>",
			"it holds while this transaction is included with the same effects",
			hashArgument,
		)
		.addOption(
			new Option("--on-loss <policy>", "what becomes of it without its anchor").choices(
				LOSS_POLICIES,
			),
		)
		.option("--if-version <id>", "version that it must have; 0: it must not exist", heightArgument)
		.option("--key <key>", "Idempotency-Key, so that the command may be repeated");
}

function groundOf(flags: WriteFlags) {
	const { namespace, onLoss, ifVersion } = flags;
	return { namespace, onLoss, ifVersion, anchor: anchorOf(flags) };
}

function anchorOf({ anchorBlock, anchorTransaction }: WriteFlags): AnchorInput | undefined {
	if (anchorBlock === undefined) {
		return anchorTransaction === undefined ? undefined : { transaction: anchorTransaction };
	}
	if (anchorTransaction === undefined) return { block: anchorBlock };
	throw new UsageError(
		"--anchor-block and --anchor-transaction were both given",
		"give one; several anchors are taken over HTTP",
	);
}

interface BodyFlags extends WriteFlags {
	readonly content?: JsonObject;
	readonly text?: string;
	readonly importance?: number;
	readonly confidence?: number;
}

interface AddFlags extends Omit<BodyFlags, "text"> {
	readonly id?: string;
	readonly layer: Layer;
}

function addAdd(program: Command, run: CommandRun): void {
	grounded(
		program
			.command("add")
			.description("add a memory, or write one whole")
			.argument("[text]", "text that is searched")
			.option("--id <id>", "the memory's id; else one is made")
			.option(
				"--layer <layer>",
				"short_term, long_term, episodic or semantic",
				layerArgument,
				"semantic",
			)
			.option("--content <json>", "a JSON object; empty if left out", objectArgument)
			.option("--importance <n>", "how much it matters, 0 to 1", unitArgument)
			.option("--confidence <n>", "how sure it is, 0 to 1", unitArgument),
	).action((text: string | undefined, flags: AddFlags, command: Command) => {
		const { id, layer, content = {}, importance, confidence, key } = flags;
		const body = { id, layer, content, text, importance, confidence };
		const operation = { op: "put", ...body, ...groundOf(flags) } as const;
		return inSession(run, command, (session) =>
			writeMemory(session, operation, { idempotencyKey: key }),
		);
	});
}

function addUpdate(program: Command, run: CommandRun): void {
	grounded(
		program
			.command("update")
			.description("change parts of a memory")
			.argument("<id>", "the memory's id")
			.option("--content <json>", "merged one level deep; a null removes a field", objectArgument)
			.option("--text <text>", "text that is searched")
			.option("--importance <n>", "how much it matters, 0 to 1", unitArgument)
			.option("--confidence <n>", "how sure it is, 0 to 1", unitArgument),
	).action((id: string, flags: BodyFlags, command: Command) => {
		const { content = {}, text, importance, confidence, key } = flags;
		const body = { id, content, text, importance, confidence };
		const operation = { op: "patch", ...body, ...groundOf(flags) } as const;
		return inSession(run, command, (session) =>
			writeMemory(session, operation, { idempotencyKey: key }),
		);
	});
}

function addDelete(program: Command, run: CommandRun): void {
	grounded(
		program
			.command("delete")
			.description("forget a memory from the pending slot on")
			.argument("<id>", "the memory's id"),
	).action((id: string, flags: WriteFlags, command: Command) => {
		const operation = { op: "delete", id, ...groundOf(flags) } as const;
		return inSession(run, command, (session) =>
			writeMemory(session, operation, { idempotencyKey: flags.key }),
		);
	});
}

interface GetFlags {
	readonly namespace?: string;
	readonly at?: string;
	readonly generation?: string;
}

function addGet(program: Command, run: CommandRun): void {
	program
		.command("get")
		.description("one memory at a coordinate")
		.argument("<id>", "the memory's id")
		.option("--namespace <namespace>", NAMESPACE_HELP)
		.option("--at <at>", "height, block hash, pending, latest, safe or finalized", atArgument)
		.option("--generation <n>", "generation to read in", heightArgument)
		.action((id: string, { namespace, at, generation }: GetFlags, command: Command) =>
			inSession(run, command, (session) => getMemory(session, id, { namespace, at, generation })),
		);
}

interface HistoryFlags {
	readonly namespace?: string;
	readonly from?: string;
	readonly to?: string;
	readonly generation?: string;
	readonly limit: number;
	readonly cursor?: string;
}

function addHistory(program: Command, run: CommandRun): void {
	program
		.command("history")
		.description("versions of a memory, in every generation or in a range, the newest first")
		.argument("<id>", "the memory's id")
		.option("--namespace <namespace>", NAMESPACE_HELP)
		.option("--from <height>", "lowest height, inclusive", heightArgument)
		.option("--to <height>", "highest height, inclusive", heightArgument)
		.option("--generation <n>", "only what held in it", heightArgument)
		.option(
			"--limit <n>",
			`versions, 1 to ${LIMITS.historyVersions}`,
			countArgument("historyVersions"),
			50,
		)
		.option("--cursor <cursor>", "next page, as the page before says")
		.action((id: string, flags: HistoryFlags, command: Command) => {
			const { namespace, from, to, generation, limit, cursor } = flags;
			const query = { namespace, from, to, generation, limit, cursor };
			return inSession(run, command, (session) => memoryHistory(session, id, query));
		});
}

function objectArgument(text: string): JsonObject {
	try {
		const value: unknown = JSON.parse(text);
		if (isObject(value)) return value;
	} catch (cause) {
		throw new InvalidArgumentError(cause instanceof Error ? cause.message : String(cause));
	}
	throw new InvalidArgumentError("must be a JSON object.");
}

/** JSON.parse makes nothing but JSON. */
function isObject(value: unknown): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unitArgument(text: string): number {
	const value = Number(text);
	if (/^[0-9.]+$/.test(text) && value >= 0 && value <= 1) return value;
	throw new InvalidArgumentError("must be a number from 0 to 1.");
}
