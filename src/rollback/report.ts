/** What was believed that is no longer true, and what became of what agents had written. */
import type { Height, LogPosition, MemoryKey, OperationId } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { JsonObject } from "../domain/operation.ts";
import type { Lost } from "../memory/ground.ts";
import type { Counts } from "./rollback-record.ts";

export interface VerdictLine {
	readonly operationId: OperationId;
	readonly namespace: string;
	readonly id: string;
	readonly originalSlot: Height;
	readonly effectiveSlot: Height | undefined;
	readonly reason: string | undefined;
	/** What it rests on and is not there. */
	readonly lost: readonly Lost[];
}

/** An action that was taken on what no longer holds. */
export interface ActionLine {
	readonly operationId: OperationId;
	readonly namespace: string;
	readonly id: string;
	/** Order in which it was written. */
	readonly position: LogPosition;
	readonly content: JsonObject;
	readonly lost: readonly Lost[];
}

/**
 * withdrawn: it could not be applied again. flagged: kept, and suspect from now on. cleared: suspect no
 * longer. One that is flagged was replayed or reinstated all the same.
 */
export type Verdict = "suspended" | "reinstated" | "replayed" | "withdrawn" | "flagged" | "cleared";

interface RecantedLine {
	readonly namespace: string;
	readonly id: string;
	readonly layer: Version["layer"];
	readonly owner: Version["owner"];
	readonly before: JsonObject;
	/** Undefined: gone. */
	readonly after: JsonObject | undefined;
}

/** Actions that an event names; the report has more. */
const SUMMARY_ACTIONS = 50;

/** Collects the report's lists; each keeps its first LIMITS.reportItems, the counts are whole. */
export class ReportBuilder {
	readonly #counts = {
		recanted: 0,
		suspended: 0,
		reinstated: 0,
		replayed: 0,
		withdrawn: 0,
		flagged: 0,
		cleared: 0,
		actions: 0,
		derivedAnew: 0,
	};
	readonly #recanted: RecantedLine[] = [];
	readonly #derived: { namespace: string; id: string; slot: Height }[] = [];
	readonly #verdicts: Record<Verdict, VerdictLine[]> = {
		suspended: [],
		reinstated: [],
		replayed: [],
		withdrawn: [],
		flagged: [],
		cleared: [],
	};
	readonly #actions: ActionLine[] = [];
	#truncated = false;

	verdict(verdict: Verdict, line: VerdictLine): void {
		this.#counts[verdict] += 1;
		this.#keep(this.#verdicts[verdict], line);
	}

	action(line: ActionLine): void {
		this.#counts.actions += 1;
		this.#keep(this.#actions, line);
	}

	derived(line: { readonly namespace: string; readonly id: string; readonly slot: Height }): void {
		this.#counts.derivedAnew += 1;
		this.#keep(this.#derived, line);
	}

	/** `after` answers what is believed now of a memory. */
	compare(
		before: ReadonlyMap<MemoryKey, Version>,
		after: (key: MemoryKey) => Version | undefined,
	): void {
		for (const [key, believed] of before) {
			const now = after(key);
			if (believed.content === undefined || now?.contentHash === believed.contentHash) continue;
			this.#counts.recanted += 1;
			this.#keep(this.#recanted, {
				namespace: believed.namespace,
				id: believed.id,
				layer: believed.layer,
				owner: believed.owner,
				before: believed.content,
				after: now?.content,
			});
		}
	}

	get counts(): Counts {
		return { ...this.#counts };
	}

	/** For the log, and so for those who follow events: how many of each, and the actions. */
	summary(rollbackId: string): JsonObject {
		const actions = this.#actions.slice(0, SUMMARY_ACTIONS);
		return {
			rollbackId,
			counts: { ...this.#counts },
			actions: actions.map(({ operationId, namespace, id }) => ({ operationId, namespace, id })),
		};
	}

	/** JSON; heights are decimal strings. */
	toJson(): string {
		const report = {
			truncated: this.#truncated,
			recanted: this.#recanted,
			...this.#verdicts,
			actions: this.#actions,
			derivedAnew: this.#derived,
		};
		return JSON.stringify(report, (_key, value: unknown) =>
			typeof value === "bigint" ? value.toString() : value,
		);
	}

	#keep<Line>(lines: Line[], line: Line): void {
		if (lines.length < LIMITS.reportItems) lines.push(line);
		else this.#truncated = true;
	}
}
