/**
 * Which folder of src/ may import which. Three kinds: pure folders decide, the core drives the
 * stages over ports, adapters touch the world. main.ts puts them together and may import anything.
 */
import { folderOf, type Import, importsOf, type SourceTree } from "./source-tree.ts";

const PURE = ["domain", "chain", "memory", "commitment", "ranking"];
/** Breakers, retries, gates: for whoever waits for something. */
const GLUE = ["resilience"];
const CORE = [
	"writer",
	"rollback",
	"follower",
	"snapshots",
	"rederive",
	"restore",
	"recovery",
	"consistency",
	"webhooks",
	"service",
];
const ADAPTERS = [
	"rpc",
	"store",
	"vectors",
	"cache",
	"archive",
	"queue",
	"outbound",
	"http",
	"mcp",
	"cli",
	"client",
];
const KINDS = new Map([
	...PURE.map((folder) => [folder, "pure"] as const),
	...CORE.map((folder) => [folder, "core"] as const),
	...GLUE.map((folder) => [folder, "glue"] as const),
	...ADAPTERS.map((folder) => [folder, "adapter"] as const),
	["config", "config"] as const,
	["main.ts", "root"] as const,
	["composition", "root"] as const,
]);

/** Ports that stand in an adapter's folder; anyone may import their types. */
export const PORTS = new Map([
	["src/vectors/embedder.ts", "one port for the writer, the rollback and the search"],
	["src/vectors/embedding-store.ts", "what the cache of embeddings asks of Postgres"],
	[
		"src/vectors/inspected-tables.ts",
		"the writer asks vectors/, and consistency the writer: else a circle",
	],
	["src/vectors/vector-tables.ts", "one port for the writer, the rollback and the search"],
]);

/** Beyond the rules, by folder. */
const ALLOWED = new Map([
	["cli -> client", "the commands talk to the service as any client does"],
	["cli -> config", "a process reads its environment once, at its entry"],
	["cli -> main.ts", "`recant start` is the one that starts a service"],
	["cli -> composition", "`recant chains` asks nodes by itself, without a service"],
]);

interface Edge extends Import {
	readonly path: string;
	readonly from: string;
	readonly to: string;
}

/** Every import that breaks a rule, as `path -> path: why`. */
export function importViolations(tree: SourceTree): readonly string[] {
	const edges = [...tree].flatMap(([path, text]) =>
		importsOf(path, text).map(
			(found): Edge => ({ ...found, path, from: folderOf(path), to: folderOf(found.target) }),
		),
	);
	return edges.flatMap((edge) => {
		const why = tree.has(edge.target) ? objection(tree, edge) : "there is no such file";
		return why === undefined ? [] : [`${edge.path} -> ${edge.target}: ${why}`];
	});
}

/** Files in folders that no rule knows, which could import what they like. */
export function unknownFolders(tree: SourceTree): readonly string[] {
	return [...new Set([...tree.keys()].map(folderOf))].filter((folder) => !KINDS.has(folder));
}

function objection(tree: SourceTree, edge: Edge): string | undefined {
	if (edge.from === edge.to || ALLOWED.has(`${edge.from} -> ${edge.to}`)) return undefined;
	if (edge.typeOnly && PORTS.has(edge.target)) return undefined;
	const from = KINDS.get(edge.from);
	const to = KINDS.get(edge.to);
	if (from === "root") return undefined;
	if (edge.from === "domain") return "domain imports nothing of ours";
	if (to === "pure") return undefined;
	if (to === "glue") return from === "pure" ? "a decision has nothing to retry" : undefined;
	if (from === "pure") return "pure folders import only one another";
	if (from === "glue") return "glue knows the domain alone";
	if (to === "core") return from === "adapter" ? portObjection(tree, edge) : undefined;
	if (to === "root") return "only the command line imports main.ts";
	if (to === "config") return "settings are handed out by main.ts";
	return `${edge.to} is an adapter: only main.ts knows it`;
}

/** A port holds types, and values that rest on nothing but pure folders. */
function portObjection(tree: SourceTree, edge: Edge): string | undefined {
	if (edge.typeOnly) return undefined;
	return isEngine(tree, edge.target, new Set())
		? "an adapter imports types and plain values of the core, not its engine"
		: undefined;
}

/** Whether its values rest on more than pure folders, and files beside it of which that is true too. */
function isEngine(tree: SourceTree, path: string, seen: Set<string>): boolean {
	if (seen.has(path)) return false;
	seen.add(path);
	return importsOf(path, tree.get(path) ?? "").some(({ target, typeOnly }) => {
		const kind = KINDS.get(folderOf(target));
		if (typeOnly || kind === "pure") return false;
		return folderOf(target) !== folderOf(path) || isEngine(tree, target, seen);
	});
}
