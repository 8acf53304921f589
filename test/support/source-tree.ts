/** The sources as values, so that rules about them are plain functions and can be tried on made-up ones. */
import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Text by path; paths start with `src/`. */
export type SourceTree = ReadonlyMap<string, string>;

export interface Import {
	/** Path of the imported file, as in the tree. */
	readonly target: string;
	/** Whether it is gone when the types are stripped. */
	readonly typeOnly: boolean;
}

/** Who points at whom; names are paths of files or names of folders. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

export function readSources(): SourceTree {
	const paths = globSync("src/**/*.ts", { cwd: ROOT }).map((path) => path.replaceAll("\\", "/"));
	return new Map(paths.sort().map((path) => [path, readFileSync(`${ROOT}/${path}`, "utf8")]));
}

/** `domain` for src/domain/ids.ts and what lies deeper, `main.ts` for src/main.ts. */
export function folderOf(path: string): string {
	return path.split("/")[1] ?? path;
}

/** Text without comments; what strings hold stays. */
export function code(text: string): string {
	const stringsAndComments =
		/("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
	return text.replaceAll(stringsAndComments, (_, kept: string | undefined) => kept ?? "");
}

/** Imports of our own files, static and dynamic. */
export function importsOf(path: string, text: string): readonly Import[] {
	const folder = posix.dirname(path);
	const statements =
		/(?:^|[;\n])\s*(?:import|export)\s+(type\b)?[^;"']*?from\s*"(\.[^"]+)"|\bimport\s*\(?\s*"(\.[^"]+)"/g;
	return Array.from(code(text).matchAll(statements), ([, typeOnly, named, other]) => ({
		target: posix.join(folder, named ?? other ?? ""),
		typeOnly: typeOnly !== undefined,
	}));
}

export function fileGraph(tree: SourceTree): Graph {
	const targets = (path: string, text: string) => importsOf(path, text).map(({ target }) => target);
	return new Map([...tree].map(([path, text]) => [path, new Set(targets(path, text))]));
}

/** Folders that import one another; main.ts and the files beside it count as folders. */
export function folderGraph(tree: SourceTree): Graph {
	const folders = new Map<string, Set<string>>();
	for (const [path, targets] of fileGraph(tree)) {
		const from = folderOf(path);
		const seen = folders.get(from) ?? new Set();
		for (const target of targets) if (folderOf(target) !== from) seen.add(folderOf(target));
		folders.set(from, seen);
	}
	return folders;
}

/** One way round, from a name back to itself; undefined: there is none. */
export function findCycle(graph: Graph): readonly string[] | undefined {
	const done = new Set<string>();
	const walk = (name: string, way: readonly string[]): readonly string[] | undefined => {
		if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
		if (done.has(name)) return undefined;
		for (const next of graph.get(name) ?? []) {
			const cycle = walk(next, [...way, name]);
			if (cycle !== undefined) return cycle;
		}
		done.add(name);
		return undefined;
	};
	for (const name of graph.keys()) {
		const cycle = walk(name, []);
		if (cycle !== undefined) return cycle;
	}
	return undefined;
}
