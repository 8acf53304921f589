/**
 * Looks for everything that is wrong with a request's operations before any of them is taken in, so that
 * their writer can correct all of it at once. Their form was checked before.
 *
 * 1. What the request itself shows is refused here: reserved ids, rules of layers, JSON schemas.
 * 2. What the state shows is told beside it as far as it is known: only while nothing waits for the writer,
 *    for what waits may make good what is missing. The commit decides by itself whatever was found here, so a
 *    single problem of that kind is left to it and keeps its own code.
 * 3. Operations are looked at in their order, each on what those before it leave.
 */
import { FatalError, type RequestProblem, unreachable } from "../../domain/errors.ts";
import type { ChainId, MemoryKey } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import { CAUSE_TYPE, HIERARCHY_TYPES, isLinkId } from "../../domain/link.ts";
import type { LinkEnd, LinkName } from "../../domain/link-name.ts";
import type { Version } from "../../domain/memory.ts";
import type { NamespaceSettings } from "../../domain/namespace-settings.ts";
import type {
	DeleteOperation,
	MemoryBody,
	Operation,
	PatchOperation,
	PutOperation,
} from "../../domain/operation.ts";
import type { Sources } from "../../domain/provenance.ts";
import { bodyHash } from "../../memory/compensation.ts";
import { isConsolidatedId } from "../../memory/consolidate.ts";
import type { StepAllowance } from "../../memory/json-schema.ts";
import { memoryKey } from "../../memory/memory-key.ts";
import { evaluate } from "../../memory/patch.ts";
import { PatchAllowance } from "../../memory/patch-allowance.ts";
import { placeOf } from "../graph/place-of.ts";
import type { ContentSchemas } from "./content-schemas.ts";
import { layerProblems } from "./layer-rules.ts";
import { type PendingLook, type PendingState, sourceKey } from "./pending-look.ts";

/** Problems that one answer lists: a batch of 1,000 bad operations would drown the first. */
const LISTED_PROBLEMS = 100;

type MemoryOperation = DeleteOperation | PatchOperation | PutOperation;

/** One operation with what it is derived from. */
export interface WriteToCheck {
	readonly operation: Operation;
	/** Empty: derived from nothing. */
	readonly sources: Sources;
	/** Of its operation in the request, such as `operations[2]`; several may be made of one. */
	readonly root: string;
}

export interface WriteChecks {
	readonly chainId: ChainId;
	/** By namespace. */
	readonly settings: (namespace: string) => NamespaceSettings;
	readonly schemas: Pick<ContentSchemas, "problems">;
	readonly look: PendingLook;
}

/**
 * Throws `FatalError("invalid_request")` whose `problems` list everything that is wrong. `found`: what is known
 * to be wrong already; a single one of these is left to who found it.
 */
export async function validateWrites(
	writes: readonly WriteToCheck[],
	checks: WriteChecks,
	found: readonly RequestProblem[] = [],
): Promise<void> {
	const state = await lookAt(writes, checks);
	const hashed = writes.some((write) => write.sources.length > 0);
	const check = new WriteCheck(checks, state, hashed);
	for (const write of writes) check.write(write);
	const { own, ofState } = check;
	if (own.length === 0 && ofState.length < 2 && found.length < 2) return;
	const seen = [...own, ...ofState].toSorted(byOrder).map(({ problem }) => problem);
	throw invalidWrites([...found, ...seen]);
}

/** What is wrong with the content of a patched memory, and of any other: the writer asks at its commit. */
export function contentProblems(
	body: Pick<MemoryBody, "layer" | "content">,
	{ schemas: registered }: NamespaceSettings,
	schemas: Pick<ContentSchemas, "problems">,
	allowance: StepAllowance,
): readonly { readonly path: readonly (string | number)[]; readonly message: string }[] {
	const schema = registered?.[body.layer];
	return schema === undefined ? [] : schemas.problems(schema, body.content, allowance);
}

function lookAt(
	writes: readonly WriteToCheck[],
	{ look, chainId }: WriteChecks,
): Promise<PendingState | undefined> {
	const names = writes.flatMap(({ operation }): readonly LinkEnd[] =>
		operation.kind === "link" ? [operation.link.from, operation.link.to] : [operation],
	);
	const keys = new Set(names.map(({ namespace, id }) => memoryKey(namespace, id)));
	const sources = writes.flatMap((write) => write.sources.flat());
	return look.look(chainId, { keys: [...keys], sources });
}

interface Found {
	readonly order: number;
	readonly problem: RequestProblem;
}

class WriteCheck {
	/** What the request itself shows. */
	readonly own: Found[] = [];
	/** What the state shows; each has a code that the commit refuses with. */
	readonly ofState: Found[] = [];
	readonly #checks: WriteChecks;
	/** Sources that hold, with what the operations so far say. */
	readonly #held: Set<string>;
	/** False: nothing is known but what the request itself leaves. */
	readonly #isKnown: boolean;
	/** What is visible now, or was left by the operations so far; undefined: it is gone. */
	readonly #present: Map<MemoryKey, Version | undefined>;
	readonly #hashed: boolean;
	readonly #allowance: StepAllowance = { steps: LIMITS.schemaSteps };
	readonly #patched = new PatchAllowance();
	#order = 0;

	/** `hashed`: hashes of what operations leave are looked at. */
	constructor(checks: WriteChecks, state: PendingState | undefined, hashed: boolean) {
		this.#checks = checks;
		this.#hashed = hashed;
		this.#isKnown = state !== undefined;
		this.#held = new Set(state?.held);
		this.#present = new Map(state?.memories);
	}

	write({ operation, sources, root }: WriteToCheck): void {
		this.#sources(sources, root);
		switch (operation.kind) {
			case "put":
			case "action":
			case "patch":
			case "delete":
				this.#operation(operation, root);
				return;
			case "link":
				this.#link(operation.link, root);
				return;
			case "unlink":
			case "consolidate":
				// What they name is looked at by the commit.
				return;
			default:
				unreachable(operation);
		}
	}

	#operation(operation: MemoryOperation, root: string): void {
		if (operation.kind !== "delete") this.#reserved(operation, root);
		const isPut = operation.kind === "put" || operation.kind === "action";
		if (isPut) this.#put(operation, root);
		const key = memoryKey(operation.namespace, operation.id);
		if (!this.#isKnown && !this.#present.has(key)) {
			// What stands there is not known; a put says what stands there from now on.
			if (isPut) this.#leave(operation, operation.body);
			return;
		}
		this.#evaluate(operation, key, root);
	}

	#evaluate(operation: MemoryOperation, key: MemoryKey, root: string): void {
		if (operation.kind === "patch" && this.#patched.isSpent) return;
		const present = this.#present.get(key);
		if (operation.kind !== "delete" && present?.layer === "episodic") {
			this.#state(root, "append_only", `episode "${operation.id}" is there and stays as it is`);
			return;
		}
		// What operations of this request left has no version id yet.
		const isOurs = present?.versionId === OURS;
		const done = evaluate(operation, present, isOurs ? () => true : undefined);
		if (done.type === "fail") {
			this.#state(root, done.code, done.message);
			return;
		}
		this.#leave(operation, done.type === "put" ? done.body : undefined);
		if (operation.kind !== "patch" || done.type !== "put") return;
		const excess = this.#patched.take(done.body.content);
		if (excess === undefined) this.#meets(operation, done.body, root);
		else this.#mine(root, excess.code, excess.message);
	}

	/** What stands there for the operations that follow. */
	#leave({ namespace, id }: LinkEnd, body: MemoryBody | undefined): void {
		this.#present.set(memoryKey(namespace, id), body && standIn({ namespace, id }, body));
		if (body === undefined || !this.#hashed) return;
		const contentHash = bodyHash({ namespace, id }, body);
		this.#held.add(sourceKey({ namespace, id, contentHash }));
	}

	#reserved({ id }: PutOperation | PatchOperation, root: string): void {
		const place = placeOf(root, ["id"]);
		if (isLinkId(id)) {
			this.#mine(place, "reserved_id", "is the id of a link; write it with link and unlink");
		} else if (isConsolidatedId(id)) {
			this.#mine(place, "reserved_id", "is the id of what a consolidation makes");
		}
	}

	#put({ namespace, id, body }: PutOperation, root: string): void {
		for (const { path, message } of layerProblems(body)) {
			this.#mine(placeOf(root, path), "layer_rule", message);
		}
		this.#meets({ namespace, id }, body, root);
	}

	#meets({ namespace }: LinkEnd, body: MemoryBody, root: string): void {
		const { settings, schemas } = this.#checks;
		const found = contentProblems(body, settings(namespace), schemas, this.#allowance);
		for (const { path, message } of found) {
			this.#mine(placeOf(root, ["content", ...path]), "schema_mismatch", message);
		}
	}

	#link({ from, to, type }: LinkName, root: string): void {
		if (from.namespace === to.namespace && from.id === to.id) {
			this.#mine(placeOf(root, ["to"]), "link_cycle", "is where the link begins");
		}
		const isHierarchy = HIERARCHY_TYPES.includes(type);
		const beginsAt = type === CAUSE_TYPE ? "episodic" : undefined;
		this.#end(from, placeOf(root, ["from"]), isHierarchy ? "semantic" : beginsAt);
		this.#end(to, placeOf(root, ["to"]), isHierarchy ? "semantic" : undefined);
	}

	#end({ namespace, id }: LinkEnd, place: string, layer: Version["layer"] | undefined): void {
		const key = memoryKey(namespace, id);
		if (!this.#isKnown && !this.#present.has(key)) return;
		const present = this.#present.get(key);
		if (present === undefined) {
			this.#state(place, "link_end_missing", `there is no memory "${id}" in "${namespace}"`);
		} else if (layer !== undefined && present.layer !== layer) {
			this.#state(
				place,
				"link_end_layer",
				`"${id}" is in ${present.layer}; it must be in ${layer}`,
			);
		}
	}

	/** One set that holds is enough. */
	#sources(sources: Sources, root: string): void {
		if (!this.#isKnown || sources.length === 0) return;
		const missing = sources.map((set) => set.filter((ref) => !this.#held.has(sourceKey(ref))));
		if (missing.some((set) => set.length === 0)) return;
		for (const [index, set] of missing.entries()) {
			for (const ref of set) {
				const place = placeOf(root, ["derivedFrom", index, sources[index]?.indexOf(ref) ?? 0]);
				const message = `"${ref.id}" in "${ref.namespace}" never said what has hash ${ref.contentHash}`;
				this.#state(place, "source_unknown", message);
			}
		}
	}

	#mine(path: string, code: string, message: string): void {
		this.own.push(this.#found({ path, code, message }));
	}

	#state(path: string, code: string, message: string): void {
		this.ofState.push(this.#found({ path, code, message }));
	}

	#found(problem: RequestProblem): Found {
		this.#order += 1;
		return { order: this.#order, problem };
	}
}

/** Version id of what the request itself leaves; no stored version has it. */
const OURS = -1n;

/** Stands where nobody looks: what a hash would be made of can be large. */
const UNHASHED: Version["contentHash"] = "0x";

/** A version of which only what `evaluate` and the checks of layers look at is told. */
function standIn({ namespace, id }: LinkEnd, body: MemoryBody): Version {
	return {
		namespace,
		id,
		memoryKey: memoryKey(namespace, id),
		versionId: OURS,
		position: 0n,
		layer: body.layer,
		owner: "agent",
		content: body.content,
		text: body.text,
		collection: body.collection,
		importance: body.importance,
		confidence: body.confidence,
		vectorHash: undefined,
		contentHash: UNHASHED,
		fromBlock: 0n,
		toBlock: 0n,
		fromGen: 0n,
		toGen: 0n,
		expiresBlock: body.expiresAtBlock,
		expiresTime: body.expiresAtTime,
		suspect: false,
		grounds: undefined,
	};
}

function byOrder(a: Found, b: Found): number {
	return a.order - b.order;
}

function invalidWrites(problems: readonly RequestProblem[]): FatalError {
	const [first] = problems;
	const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
	return new FatalError("invalid_request", {
		message: `${first?.path}: ${first?.message}${more}`,
		hint: "correct what `problems` names; nothing was written",
		fields: { problemCount: problems.length },
		problems: problems.slice(0, LISTED_PROBLEMS),
	});
}
