/** An embedder that does not answer holds up neither a search nor a write for longer than is stated. */
import { afterEach, expect, test, vi } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { NO_SETTINGS } from "../../src/domain/namespace-settings.ts";
import { NO_SOURCES } from "../../src/domain/provenance.ts";
import { embedQuery } from "../../src/service/searching/search.ts";
import {
	type AgentWrite,
	AgentWrites,
	type AgentWritesOptions,
} from "../../src/service/writing/agent-writes.ts";

const never = () => new Promise<never>(() => undefined);

afterEach(() => {
	vi.useRealTimers();
});

test("a search goes on without the vector of its text", async () => {
	vi.useFakeTimers();
	const query = { text: "what", vector: undefined, mode: undefined };
	const embedded = embedQuery(query, { embed: never });
	await vi.advanceTimersByTimeAsync(LIMITS.queryEmbedMs);
	expect(await embedded).toMatchObject({
		type: "failed",
		error: { code: "embedder_unavailable", message: expect.stringContaining("3000 ms") },
	});
});

test("a search whose text is embedded in time has its vector", async () => {
	const vector = Float32Array.of(1, 0);
	const query = { text: "what", vector: undefined, mode: undefined };
	expect(await embedQuery(query, { embed: async () => [vector] })).toEqual({
		type: "vector",
		vector,
	});
});

test.each([0, LIMITS.writeDeadlineMs])(
	"a write that waits %i ms for its commit is refused, and nothing is durable",
	async (deadlineMs) => {
		vi.useFakeTimers();
		const submit = vi.fn();
		const make = vi.fn();
		const writes = new AgentWrites({
			spec: { id: 1, name: "c", namespaces: [] },
			writer: () => ({ window: {}, halted: undefined }),
			flusher: () => undefined,
			inbox: { earlier: async () => undefined, submit },
			collections: { check: async () => [], make },
			embedder: { prepare: never },
			settings: { refresh: async () => undefined, of: () => NO_SETTINGS },
			checks: { look: { look: async () => undefined }, schemas: undefined },
		} as unknown as AgentWritesOptions);
		const written = writes.write({ writes: [PUT], idempotencyKey: undefined, deadlineMs });
		const refused = expect(written).rejects.toMatchObject({
			code: "embedder_unavailable",
			retryable: true,
		});
		await vi.advanceTimersByTimeAsync(LIMITS.writeDeadlineMs);
		await refused;
		expect(submit).not.toHaveBeenCalled();
		expect(make).not.toHaveBeenCalled();
	},
);

const PUT = {
	operation: {
		kind: "put",
		namespace: "n",
		id: "m",
		body: { layer: "semantic", content: {}, collection: "default", text: "t" },
	},
	anchors: { mode: "all", anchors: [] },
	sources: NO_SOURCES,
	policy: "recant",
	askedPolicy: undefined,
	path: "operations[0]",
} as unknown as AgentWrite;
