/**
 * Agents' operations that take effect although nothing that they were derived from is in the history that is
 * believed: a rollback would have withdrawn them.
 *
 * Whether such an operation is withdrawn is for a person to say, by a rollback to below its slot. A repair
 * gives back what the log says; judging again says something new, of everything that was written since.
 */
import type { MemoryKey } from "../../domain/ids.ts";
import type { SourceRef } from "../../domain/provenance.ts";
import { type Held, type HeldKey, heldKey, sourceKey } from "../../memory/ground.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { DerivedOperation } from "../stored-provenance.ts";
import type { StoredState } from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";

export const sources: ScanRule<CheckContext> = {
	kind: "scan",
	name: "sources",
	level: "comprehensive",
	severity: "error",
	compares: "agents' operations that are not final with the versions that they were derived from",
	async *check({ state, at, chainId, read }) {
		for await (const page of state.provenance.derivedOperations()) {
			await read(page.length);
			const judged = page.filter((each) => !cameWithImport(each, state.chain));
			const named = judged.flatMap(sourcesOf);
			if (named.length === 0) continue;
			const query = { sources: named, upTo: at.height + 1n };
			const held = await state.provenance.heldSources(chainId, query);
			yield* await groundless(judged, held, state);
		}
	},
};

/** A snapshot has no versions that were overwritten before it. */
function cameWithImport(
	{ position }: DerivedOperation,
	{ retainedFrom, logCutTo }: StoredState["chain"],
): boolean {
	return retainedFrom > 0n && position <= logCutTo;
}

async function groundless(
	page: readonly DerivedOperation[],
	held: ReadonlyMap<HeldKey, Held>,
	state: StoredState,
): Promise<readonly RuleFinding[]> {
	const isHeld = (source: SourceRef) => held.has(heldKey(sourceKey(source), source.contentHash));
	const lost = page.filter((each) => !holds(each, isHeld));
	if (lost.length === 0) return [];
	const unheld = lost.flatMap(sourcesOf).filter((source) => !isHeld(source));
	const overwritten: ReadonlySet<MemoryKey> = await state.provenance.overwritten(unheld);
	return lost
		.filter((each) => !holds(each, (of) => isHeld(of) || overwritten.has(sourceKey(of))))
		.map((each) =>
			sourceLost(
				each,
				sourcesOf(each).filter((source) => !isHeld(source)),
			),
		);
}

function holds({ sources }: DerivedOperation, isHeld: (source: SourceRef) => boolean): boolean {
	return sources.some((set) => set.every(isHeld));
}

function sourcesOf({ sources }: DerivedOperation): readonly SourceRef[] {
	return sources.flat();
}

function sourceLost(of: DerivedOperation, lost: readonly SourceRef[]): RuleFinding {
	const { operationId, namespace, id, position, effectiveSlot } = of;
	const names = lost.map((source) => `"${source.id}" of namespace "${source.namespace}"`);
	const below = effectiveSlot > 0n ? effectiveSlot - 1n : 0n;
	return {
		class: "source_lost",
		subject: subject({ store: "postgres", table: "operations", namespace, id, position }),
		message: `operation ${operationId} takes effect, and what it was derived from was never said: ${[...new Set(names)].join(", ")}`,
		since: effectiveSlot,
		remedy: byPerson("recant explain <id>", `recant rollback --to ${below} --dry-run`),
	};
}
