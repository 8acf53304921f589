import { expect, test } from "vitest";
import { linkId } from "../../src/domain/link.ts";
import type { LinkName } from "../../src/domain/link-name.ts";
import type { Version } from "../../src/domain/memory.ts";
import type { LinkOperation } from "../../src/domain/operation.ts";
import { memoryKey } from "../../src/memory/memory-key.ts";
import { edgeOf, LinkGraph } from "../../src/writer/link-graph.ts";

const NAMESPACE = "default";

function link(from: string, type: string, to: string): LinkOperation {
	const name: LinkName = {
		from: { namespace: NAMESPACE, id: from },
		type,
		to: { namespace: NAMESPACE, id: to },
	};
	return {
		kind: "link",
		namespace: NAMESPACE,
		id: linkId(name),
		ifVersion: undefined,
		link: name,
		weight: 1,
		properties: undefined,
	};
}

/** What is visible: ids with their layers; links are given by their operations. */
function world(
	memories: Readonly<Record<string, Version["layer"]>>,
	links: readonly LinkOperation[] = [],
) {
	const visible = new Map(
		[
			...Object.entries(memories),
			...links.map(({ id }): [string, Version["layer"]] => [id, "semantic"]),
		].map(([id, layer]) => [memoryKey(NAMESPACE, id), { id, layer } as unknown as Version]),
	);
	const graph = new LinkGraph((key) => visible.get(key));
	graph.learn(links.map(edgeOf));
	return { graph, visible };
}

const CONCEPTS = { a: "semantic", b: "semantic", c: "semantic" } as const;

test("both ends must be there", () => {
	const { graph } = world({ a: "semantic" });
	expect(graph.problem(link("a", "knows", "b"), 5n)).toMatchObject({ code: "link_end_missing" });
	expect(graph.problem(link("b", "knows", "a"), 5n)).toMatchObject({ code: "link_end_missing" });
});

test("a hierarchy joins semantic memories, and causes begin at an episode", () => {
	const { graph } = world({ a: "semantic", event: "episodic" });
	expect(graph.problem(link("a", "isA", "event"), 5n)).toMatchObject({ code: "link_invalid" });
	expect(graph.problem(link("a", "causedBy", "event"), 5n)).toMatchObject({ code: "link_invalid" });
	expect(graph.problem(link("event", "causedBy", "a"), 5n)).toBeUndefined();
});

test("no circle is closed, however long, of types that allow none", () => {
	const { graph } = world(CONCEPTS, [link("a", "isA", "b"), link("b", "isA", "c")]);
	expect(graph.problem(link("c", "isA", "a"), 5n)).toMatchObject({ code: "link_cycle" });
	expect(graph.problem(link("a", "isA", "a"), 5n)).toMatchObject({ code: "link_cycle" });
	expect(graph.problem(link("a", "isA", "c"), 5n)).toBeUndefined();
	expect(graph.problem(link("c", "partOf", "a"), 5n)).toBeUndefined();
	expect(graph.problem(link("c", "knows", "a"), 5n)).toBeUndefined();
});

test("a link that was taken away closes nothing", () => {
	const gone = link("b", "isA", "c");
	const { graph, visible } = world(CONCEPTS, [link("a", "isA", "b"), gone]);
	visible.delete(memoryKey(NAMESPACE, gone.id));
	expect(graph.problem(link("c", "isA", "a"), 5n)).toBeUndefined();
});

test("a link that was admitted before needs no ends, but still closes no circle", () => {
	const { graph, visible } = world(CONCEPTS, [link("a", "isA", "b")]);
	visible.delete(memoryKey(NAMESPACE, "a"));
	expect(graph.circle(link("b", "partOf", "a"), 5n)).toBeUndefined();
	expect(graph.circle(link("b", "isA", "a"), 5n)).toMatchObject({ code: "link_cycle" });
});

test("more links than are followed refuse a new one of that namespace and type, and take back none", () => {
	const { graph } = world(CONCEPTS);
	graph.cut(NAMESPACE, "isA");
	expect(graph.problem(link("a", "isA", "b"), 5n)).toMatchObject({ code: "limit_exceeded" });
	expect(graph.problem(link("a", "partOf", "b"), 5n)).toBeUndefined();
	expect(graph.circle(link("a", "isA", "b"), 5n)).toBeUndefined();
});
