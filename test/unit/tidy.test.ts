import { describe, expect, test } from "vitest";
import { LIMIT_RELATIONS } from "../../src/domain/limits.ts";
import { importViolations, PORTS, unknownFolders } from "../support/import-rules.ts";
import {
	code,
	fileGraph,
	findCycle,
	folderGraph,
	folderOf,
	readSources,
	type SourceTree,
} from "../support/source-tree.ts";

/** A file that is longer is usually two; three screens and a half can still be kept in mind. */
const FILE_LINES = 400;
/** Longer files, each with its reason and the length that it may have. */
const LONGER_FILES: ReadonlyMap<string, { readonly lines: number; readonly why: string }> = new Map(
	[
		[
			"src/service/recant-service.ts",
			{ lines: 430, why: "what Recant offers, in one place; it holds types only" },
		],
		["src/client/client.ts", { lines: 540, why: "every request, one short method each" }],
		[
			"src/rollback/coordinator.ts",
			{ lines: 450, why: "the stages of one rollback in their order, each a few calls" },
		],
		[
			"src/writer/chain-writer.ts",
			{ lines: 480, why: "what one writer holds between two commits, and nothing else" },
		],
	],
);

const sources = readSources();

function tree(files: Readonly<Record<string, string>>): SourceTree {
	return new Map(Object.entries(files));
}

function filesWith(files: SourceTree, pattern: RegExp): readonly string[] {
	return [...files].filter(([, text]) => pattern.test(code(text))).map(([path]) => path);
}

function longFiles(files: SourceTree): readonly string[] {
	return [...files]
		.map(([path, text]) => ({ path, lines: text.trimEnd().split("\n").length }))
		.filter(({ path, lines }) => lines > (LONGER_FILES.get(path)?.lines ?? FILE_LINES))
		.map(({ path, lines }) => `${path}: ${lines}`);
}

const ENVIRONMENT = /\bprocess\s*\.\s*env\b|\benv\b[^;\n]*\bfrom\s*"node:process"/;
const BARE_ERROR = /\bthrow\s+(?:new\s+)?(?:Error|TypeError|RangeError)\s*\(/;
const EMPTY_CATCH = /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}|\.catch\(\s*\([^)]*\)\s*=>\s*\{\s*\}\s*\)/;
const RE_EXPORT = /^\s*export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;\n]*\bfrom\b/m;
const VAGUE_NAME = /\/(?:index|utils?|helpers?|types|common|misc)\.ts$/;

describe("imports", () => {
	test("follow the rules for folders", () => {
		expect(importViolations(sources)).toEqual([]);
		expect(unknownFolders(sources)).toEqual([]);
		expect([...PORTS.keys()].filter((path) => !sources.has(path))).toEqual([]);
	});

	test("go in no circle, of files or of folders", () => {
		expect(findCycle(fileGraph(sources))).toBeUndefined();
		expect(findCycle(folderGraph(sources))).toBeUndefined();
	});

	test.each([
		[
			"domain to anything",
			"src/domain/a.ts",
			'import { b } from "../chain/b.ts";',
			"src/chain/b.ts",
		],
		[
			"pure to core",
			"src/memory/a.ts",
			'import type { B } from "../writer/b.ts";',
			"src/writer/b.ts",
		],
		[
			"core to adapter",
			"src/writer/a.ts",
			'import type { B } from "../store/b.ts";',
			"src/store/b.ts",
		],
		[
			"adapter to adapter",
			"src/store/a.ts",
			'import { b } from "../queue/b.ts";',
			"src/queue/b.ts",
		],
		[
			"a port's value",
			"src/writer/a.ts",
			'import { b } from "../vectors/embedder.ts";',
			"src/vectors/embedder.ts",
		],
		["settings", "src/http/a.ts", 'import type { B } from "../config/b.ts";', "src/config/b.ts"],
		["main.ts", "src/http/a.ts", 'const b = await import("../main.ts");', "src/main.ts"],
		["a file that is not there", "src/chain/a.ts", 'import "./b.ts";', "src/chain/c.ts"],
	])("are objected to: %s", (_, path, text, target) => {
		expect(importViolations(tree({ [path]: text, [target]: "" }))).toHaveLength(1);
	});

	test("of the core by adapters may be types and plain values, not its engine", () => {
		const files = {
			"src/store/a.ts": 'import { run } from "../rollback/run.ts";',
			"src/rollback/run.ts": 'import { write } from "../writer/write.ts";',
			"src/writer/write.ts": "",
		};
		expect(importViolations(tree(files))).toHaveLength(1);
		expect(importViolations(tree({ ...files, "src/rollback/run.ts": "" }))).toEqual([]);
		const typed = { "src/store/a.ts": 'import type { Run } from "../rollback/run.ts";' };
		expect(importViolations(tree({ ...files, ...typed }))).toEqual([]);
	});

	test("are found over several lines, and not in comments", () => {
		const text = '// import { a } from "../store/a.ts";\nimport {\n\ta,\n} from "../queue/b.ts";';
		const files = { "src/chain/a.ts": text, "src/store/a.ts": "", "src/queue/b.ts": "" };
		expect(importViolations(tree(files))).toEqual([
			"src/chain/a.ts -> src/queue/b.ts: pure folders import only one another",
		]);
	});

	test("in a circle are found, of files and of folders", () => {
		const files = tree({
			"src/chain/a.ts": 'import { b } from "./b.ts";',
			"src/chain/b.ts": 'import type { C } from "../memory/c.ts";',
			"src/memory/c.ts": 'import { d } from "../chain/d.ts";',
			"src/chain/d.ts": "",
		});
		expect(findCycle(fileGraph(files))).toBeUndefined();
		expect(findCycle(folderGraph(files))).toEqual(["chain", "memory", "chain"]);
		const closed = new Map([...files, ["src/chain/d.ts", 'export { a } from "./a.ts";']]);
		expect(findCycle(fileGraph(closed))).toHaveLength(5);
	});

	test("lead to folders that a rule knows", () => {
		expect(unknownFolders(tree({ "src/misc/a.ts": "", "src/main.ts": "" }))).toEqual(["misc"]);
	});
});

describe("sources", () => {
	test("are read", () => {
		expect(sources.size).toBeGreaterThan(50);
	});

	test(`have at most ${FILE_LINES} lines, or a reason`, () => {
		expect(longFiles(sources)).toEqual([]);
		expect([...LONGER_FILES.keys()].filter((path) => !sources.has(path))).toEqual([]);
		const long = "\n".repeat(FILE_LINES);
		expect(longFiles(tree({ "src/a.ts": `${long}last\n`, "src/b.ts": long }))).toHaveLength(1);
	});

	test.each([
		{
			rule: "read the environment in config alone",
			pattern: ENVIRONMENT,
			broken: ["const home = process.env.HOME;", 'import { env } from "node:process";'],
			kept: ["// process.env is read in config", "options.env = given;"],
			applies: (path: string) => folderOf(path) !== "config",
		},
		{
			rule: "throw no bare Error",
			pattern: BARE_ERROR,
			broken: ['throw new Error("x");', 'if (a) throw TypeError("x");'],
			kept: ['throw new FatalError("internal", { message });', "// throw new Error("],
		},
		{
			rule: "swallow no error",
			pattern: EMPTY_CATCH,
			broken: [
				"try { a(); } catch {}",
				"try { a(); } catch (e) {\n\t// why not\n}",
				"a().catch(() => {});",
			],
			kept: ["try { a(); } catch (error) { report(error); }", "a().catch(() => undefined);"],
		},
		{
			rule: "pass nothing on from other files",
			pattern: RE_EXPORT,
			broken: ['export * from "./a.ts";', 'export { a, b } from "./a.ts";'],
			kept: ["export const a = 1;", "export { a };\nconst b = from;"],
		},
	])("$rule", ({ pattern, broken, kept, applies = () => true }) => {
		const bound = new Map([...sources].filter(([path]) => applies(path)));
		expect(filesWith(bound, pattern)).toEqual([]);
		for (const text of broken) expect(filesWith(tree({ a: text }), pattern)).toEqual(["a"]);
		for (const text of kept) expect(filesWith(tree({ a: text }), pattern)).toEqual([]);
	});

	test("are named for the noun inside", () => {
		expect([...sources.keys()].filter((path) => VAGUE_NAME.test(path))).toEqual([]);
		expect(VAGUE_NAME.test("src/store/utils.ts")).toBe(true);
	});
});

test.each(LIMIT_RELATIONS)("limits hang together: $why", ({ holds }) => {
	expect(holds).toBe(true);
});
