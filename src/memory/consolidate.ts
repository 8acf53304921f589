/**
 * What a consolidation rule makes of the memories of a namespace: which long-term memories are written, with
 * which content, confidence and sources. Pure; it answers the same on every instance.
 *
 * 1. Only what changes is written: the same memories seen again give nothing.
 * 2. `support` counts memories that ever supported a pattern, each once. A memory counts as known when its
 *    version began before the pattern was last supported (it was visible then), or when its id is among the
 *    pattern's sources. So the count is exact as long as a memory that is written over is among the
 *    LIMITS.sources newest supporters; an older one counts anew.
 * 3. Content holds neither positions nor version ids, so that a fork that writes the same again gives the
 *    same hashes.
 * 4. Confidence rises with the support, and with nothing else, towards 1 (see `confidenceOf`); what it has
 *    lost since it was last supported is reckoned by confidence-decay.ts when it is read.
 */
import { hash } from "node:crypto";
import { FatalError } from "../domain/errors.ts";
import type { Height } from "../domain/ids.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Version } from "../domain/memory.ts";
import type { ConsolidationRule } from "../domain/namespace-settings.ts";
import {
	DEFAULT_COLLECTION,
	type JsonObject,
	type JsonValue,
	type MemoryBody,
} from "../domain/operation.ts";
import type { SourceRef, Sources } from "../domain/provenance.ts";
import { canonicalJson } from "./canonical.ts";
import { bodyHash } from "./compensation.ts";
import { heightOf } from "./confidence-decay.ts";
import { byWriting } from "./writing-order.ts";

/** Ids that begin so are consolidations'; a put or patch of such an id by an agent is refused. */
const CONSOLIDATED_PREFIX = "consolidated:";

export function isConsolidatedId(id: string): boolean {
	return id.startsWith(CONSOLIDATED_PREFIX);
}

/** Decimals of a confidence: far more than it means, few enough that no platform rounds them otherwise. */
const CONFIDENCE_DECIMALS = 1e6;

/** Groups of which the id shows the value itself; all others show its hash. */
const READABLE_GROUP = /^[A-Za-z0-9._-]{1,63}$/;

/** Canonical JSON of a pattern: room is left for what stands around it, and for the group. */
export const PATTERN_BYTES = LIMITS.contentBytes / 2;
/** Canonical JSON of a group that is shown; of a longer one the id has the hash. */
const GROUP_BYTES = 1_024;

/** What a registered function finds. */
export interface Pattern {
	/** Names it among the rule's: the same group again is the same long-term memory. Not empty. */
	readonly group: string;
	/** What it says; it becomes `pattern` of the memory's content. */
	readonly content: JsonObject;
	/** Ids of the members that support it; undefined: all. */
	readonly members?: readonly string[] | undefined;
	/** In [0, 1]; undefined: reckoned from the support. */
	readonly confidence?: number | undefined;
	/** In [0, 1]; undefined: the highest of its members. */
	readonly importance?: number | undefined;
	/** Embedded and searched; undefined: the text of the newest member that has one. */
	readonly text?: string | undefined;
}

/** A long-term memory that the rule made before and that is visible now. */
export interface MadeBefore {
	readonly version: Version;
	/** Of the operation that wrote it; empty where they are not at hand. */
	readonly sources: readonly SourceRef[];
}

export interface ConsolidationInput {
	readonly rule: ConsolidationRule;
	readonly namespace: string;
	/** Slot in which it is written. */
	readonly height: Height;
	/** Visible memories of the rule's layers, the links left out; in any order. */
	readonly members: readonly Version[];
	/** By id: those of `members`' groups that are visible in long_term. More do no harm. */
	readonly before: ReadonlyMap<string, MadeBefore>;
	/** Of a rule with `take.kind` function, which has answered them for these members; else undefined. */
	readonly patterns: readonly Pattern[] | undefined;
}

export interface ConsolidatedPut {
	readonly id: string;
	readonly body: MemoryBody;
	/** One set: its newest supporters, LIMITS.sources at most, the oldest first. */
	readonly sources: Sources;
}

export interface ConsolidationResult {
	/** By rising id. */
	readonly puts: readonly ConsolidatedPut[];
	/** Patterns that wait for the next run because LIMITS.consolidationPuts are written by this one. */
	readonly left: number;
}

/** One group of members that the rule looks at. */
interface Group {
	readonly id: string;
	/** Undefined: the rule makes one group of all. */
	readonly value: JsonValue | undefined;
	/** In the order of writing. */
	readonly members: readonly Version[];
	/** What a function said of it. */
	readonly found: Pattern | undefined;
}

/** Throws `FatalError("internal")` when a function's patterns are missing. */
export function consolidate(input: ConsolidationInput): ConsolidationResult {
	const groups = groupsOf(input).toSorted((a, b) => (a.id < b.id ? -1 : 1));
	const puts = groups.flatMap((group) => putOf(input, group) ?? []);
	const most = LIMITS.consolidationPuts;
	return { puts: puts.slice(0, most), left: Math.max(0, puts.length - most) };
}

function groupsOf(input: ConsolidationInput): readonly Group[] {
	const { rule, patterns } = input;
	const members = input.members.filter((each) => takes(rule, each)).toSorted(byWriting);
	if (rule.take.kind !== "function") return groupsByField(rule, members);
	if (patterns === undefined) throw withoutPatterns(rule);
	return patterns.map((found) => {
		const named = found.members && new Set(found.members);
		return {
			id: idOf(rule, found.group),
			value: found.group,
			members: named === undefined ? members : members.filter(({ id }) => named.has(id)),
			found,
		};
	});
}

function takes(rule: ConsolidationRule, { layer, content, importance }: Version): boolean {
	if (content === undefined || !rule.layers.includes(layer)) return false;
	return rule.take.kind !== "importance" || (importance ?? 0) >= rule.take.atLeast;
}

/** Members without the field belong to no group. */
function groupsByField(rule: ConsolidationRule, members: readonly Version[]): readonly Group[] {
	const { groupBy } = rule;
	if (groupBy === undefined) {
		const id = idOf(rule, undefined);
		return members.length === 0 ? [] : [{ id, value: undefined, members, found: undefined }];
	}
	const groups = new Map<string, { readonly value: JsonValue; readonly members: Version[] }>();
	for (const member of members) {
		const value = fieldOf(member.content, groupBy);
		if (value === undefined) continue;
		const id = idOf(rule, value);
		const group = groups.get(id) ?? { value, members: [] };
		group.members.push(member);
		groups.set(id, group);
	}
	return [...groups].map(([id, group]) => ({ id, ...group, found: undefined }));
}

function fieldOf(content: JsonObject | undefined, field: string): JsonValue | undefined {
	return content !== undefined && Object.hasOwn(content, field) ? content[field] : undefined;
}

/**
 * `consolidated:<rule>` of a rule without groups, else that with `:` and the group: short plain text as it
 * stands, anything else as SHA-256 of its canonical JSON, whose 64 digits are longer than such a text.
 */
function idOf(rule: ConsolidationRule, group: JsonValue | undefined): string {
	const prefix = `${CONSOLIDATED_PREFIX}${rule.name}`;
	if (group === undefined) return prefix;
	const readable = typeof group === "string" && READABLE_GROUP.test(group);
	return `${prefix}:${readable ? group : hash("sha256", canonicalJson(group))}`;
}

/** Undefined: the rule does not take the group, or nothing changes. */
function putOf(input: ConsolidationInput, group: Group): ConsolidatedPut | undefined {
	const made = input.before.get(group.id);
	const earlier = made && earlierOf(made);
	const fresh = group.members.filter((member) => !isKnown(member, earlier));
	const support = (earlier?.support ?? 0) + fresh.length;
	if (!isEnough(input.rule, support)) return undefined;
	// A function may go on saying what nothing supports any more: it is written once it is supported.
	if (group.members.length === 0 && earlier === undefined) return undefined;
	const body = bodyOfGroup(input, group, earlier, { support, isFresh: fresh.length > 0 });
	const name = { namespace: input.namespace, id: group.id };
	if (made?.version.contentHash === bodyHash(name, body)) return undefined;
	return { id: group.id, body, sources: [sourcesOf(group, earlier)] };
}

function isEnough({ take }: ConsolidationRule, support: number): boolean {
	return support >= (take.kind === "frequency" ? take.atLeast : 1);
}

interface Earlier {
	readonly version: Version;
	readonly sources: readonly SourceRef[];
	readonly ids: ReadonlySet<string>;
	readonly support: number;
	readonly lastSupportedBlock: Height;
	readonly pattern: JsonObject;
}

/** Undefined for a memory that says something else: it is made anew. */
function earlierOf({ version, sources }: MadeBefore): Earlier | undefined {
	const { content } = version;
	const support = content?.["support"];
	const lastSupportedBlock = heightOf(content?.["lastSupportedBlock"]);
	const pattern = content?.["pattern"];
	if (typeof support !== "number" || lastSupportedBlock === undefined) return undefined;
	if (!isObject(pattern)) return undefined;
	const ids = new Set(sources.map(({ id }) => id));
	return { version, sources, ids, support, lastSupportedBlock, pattern };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the member is counted in what was made before. */
function isKnown(member: Version, earlier: Earlier | undefined): boolean {
	if (earlier === undefined) return false;
	const { lastSupportedBlock, ids, version } = earlier;
	if (member.fromBlock < lastSupportedBlock || ids.has(member.id)) return true;
	// In the very slot of the consolidation, what was written before it was seen by it.
	return member.fromBlock === lastSupportedBlock && member.position < version.position;
}

function bodyOfGroup(
	{ rule, height }: ConsolidationInput,
	group: Group,
	earlier: Earlier | undefined,
	{ support, isFresh }: { readonly support: number; readonly isFresh: boolean },
): MemoryBody {
	const { members, found } = group;
	const supportedAt = earlier === undefined || isFresh ? height : earlier.lastSupportedBlock;
	return {
		layer: "long_term",
		content: {
			rule: rule.name,
			...(isShown(group.value) ? { group: group.value } : {}),
			pattern: found?.content ?? commonFields(members, earlier),
			support,
			lastSupportedBlock: supportedAt.toString(),
			...(rule.halfLifeBlocks === undefined ? {} : { halfLifeBlocks: rule.halfLifeBlocks }),
		},
		...textOf(group, earlier),
		vector: undefined,
		importance: found?.importance ?? highestImportance(members, earlier),
		confidence: found?.confidence ?? confidenceOf(rule, support),
		expiresAtBlock: undefined,
		expiresAtTime: undefined,
	};
}

/**
 * 1 − 2^(−support / unit): doubt halves with every `unit` memories that agree, and is never negative nor
 * done away with. The unit of a frequency rule is its `atLeast`, so that a pattern begins at one half; of
 * the others it is 1. In [0, 1], to six decimals.
 */
export function confidenceOf({ take }: Pick<ConsolidationRule, "take">, support: number): number {
	const unit = take.kind === "frequency" ? take.atLeast : 1;
	const confidence = 1 - 2 ** (-support / unit);
	return Math.round(confidence * CONFIDENCE_DECIMALS) / CONFIDENCE_DECIMALS;
}

function isShown(group: JsonValue | undefined): group is JsonValue {
	return group !== undefined && Buffer.byteLength(canonicalJson(group)) <= GROUP_BYTES;
}

/** Top-level fields that all who ever supported it have, with the same values, as far as there is room. */
function commonFields(members: readonly Version[], earlier: Earlier | undefined): JsonObject {
	const contents = members.flatMap(({ content }) => (content === undefined ? [] : [content]));
	const [first, ...others] = earlier === undefined ? contents : [earlier.pattern, ...contents];
	return fitting(others.reduce<JsonObject>(shared, first ?? {}));
}

/** Fields by name until there is no more room. */
function fitting(content: JsonObject): JsonObject {
	let sizeBytes = 2;
	const kept = Object.entries(content)
		.toSorted(([a], [b]) => (a < b ? -1 : 1))
		.filter(([field, value]) => {
			sizeBytes += Buffer.byteLength(canonicalJson({ [field]: value }));
			return sizeBytes <= PATTERN_BYTES;
		});
	return Object.fromEntries(kept);
}

function shared(a: JsonObject, b: JsonObject): JsonObject {
	return Object.fromEntries(
		Object.entries(a).filter(([field, value]) => {
			const other = fieldOf(b, field);
			return other !== undefined && canonicalJson(other) === canonicalJson(value);
		}),
	);
}

function highestImportance(
	members: readonly Version[],
	earlier: Earlier | undefined,
): number | undefined {
	const known = [...members, ...(earlier === undefined ? [] : [earlier.version])];
	const all = known.flatMap(({ importance }) => importance ?? []);
	return all.length === 0 ? undefined : all.reduce((a, b) => Math.max(a, b));
}

/**
 * A text that was found once stays, so that a pattern that is seen again is not embedded again. One of a
 * member whose vector was given with it is not taken: its collection may take no texts.
 */
function textOf(
	{ members, found }: Group,
	earlier: Earlier | undefined,
): Pick<MemoryBody, "text" | "collection"> {
	const kept = earlier?.version;
	if (found?.text !== undefined) {
		return { text: found.text, collection: kept?.collection ?? DEFAULT_COLLECTION };
	}
	if (kept?.text !== undefined) return { text: kept.text, collection: kept.collection };
	const newest = members.findLast(
		({ text, collection, vectorHash }) =>
			text !== undefined && collection !== undefined && vectorHash === undefined,
	);
	return { text: newest?.text, collection: newest?.collection };
}

/** Of a memory that supported it before, what it says now. */
function sourcesOf({ members }: Group, earlier: Earlier | undefined): readonly SourceRef[] {
	const present = new Set(members.map(({ id }) => id));
	const gone = (earlier?.sources ?? []).filter(({ id }) => !present.has(id));
	const refs = members.map(({ namespace, id, contentHash }) => ({ namespace, id, contentHash }));
	return [...gone, ...refs].slice(-LIMITS.sources);
}

function withoutPatterns(rule: ConsolidationRule): FatalError {
	return new FatalError("internal", {
		message: `the patterns of consolidation rule "${rule.name}" were not computed`,
		hint: "this is a defect of Recant; please report it with the log",
		fields: { rule: rule.name },
	});
}
