import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Anvil } from "../../scripts/support/anvil.ts";
import type { EventAnswer } from "../../src/client/answers.ts";
import { RecantClient } from "../../src/client/client.ts";
import type { EventsQuery } from "../../src/client/requests.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import {
	askForEventsAndLeave,
	type EventClient,
	openEventClient,
} from "../support/event-client.ts";
import {
	CHAIN_ID,
	type Installation,
	makeInstallation,
	type RunningService,
	startService,
	startTokenNode,
	tokenChain,
	until,
} from "../support/running-service.ts";

const OTHER = { id: 555, name: "other" };

let anvil: Anvil;
let other: Anvil;
let installation: Installation;
let service: RunningService;
let client: RecantClient;

beforeAll(async () => {
	installation = await makeInstallation("api events");
	const [first, second] = [await startTokenNode(), await startTokenNode({ chainId: OTHER.id })];
	anvil = first.anvil;
	other = second.anvil;
	await anvil.mine(6);
	service = await startService({
		installation,
		chains: [
			tokenChain({ rpcUrl: anvil.rpcUrl, token: first.token.address }),
			tokenChain({ rpcUrl: other.rpcUrl, token: second.token.address, ...OTHER }),
		],
	});
	client = new RecantClient({ url: service.url });
	await service.reaches(7);
	await until("the other chain to be followed", async () => {
		return (await client.chain(OTHER.name)).state === "following";
	});
});

afterAll(async () => {
	await service?.stop();
	await anvil?.stop();
	await other?.stop();
	await installation?.remove();
});

type Seen = EventAnswer & { readonly id: string | undefined };

interface Listener {
	readonly events: Seen[];
	/** Entries of the log; what remains is progress. */
	entries(chain?: number): readonly Seen[];
	close(): void;
}

function listen(query: EventsQuery): Listener {
	const closing = new AbortController();
	const events: Seen[] = [];
	const reading = async () => {
		for await (const event of client.events(query, closing.signal))
			events.push({ id: event.id, ...event.event });
	};
	reading().catch((error: unknown) => {
		if (!closing.signal.aborted) throw error;
	});
	return {
		events,
		entries: (chain = CHAIN_ID) =>
			events.filter(({ chainId, position }) => chainId === chain && position !== undefined),
		close: () => closing.abort(),
	};
}

function positions(events: readonly Seen[]): number[] {
	return events.map(({ position }) => Number(position));
}

function upTo(position: number, from = 1): number[] {
	return Array.from({ length: position - from + 1 }, (_, index) => from + index);
}

async function logEnd(): Promise<number> {
	return Number((await client.chain("anvil")).logPosition);
}

async function note(id: string): Promise<void> {
	await client.write("anvil", { op: "put", id, layer: "semantic", content: { id } });
}

describe("the event stream", () => {
	it("from the beginning has every entry of the log once and in order", async () => {
		await note("a");
		const end = await logEnd();
		const listener = listen({ after: `${CHAIN_ID}:0`, chains: ["anvil"] });
		await until("the whole log", () => listener.entries().length >= end);
		listener.close();
		expect(positions(listener.entries())).toEqual(upTo(end));
		const types = new Set(listener.entries().map(({ type }) => type));
		expect([...types]).toEqual(expect.arrayContaining(["block", "operation"]));
	});

	it("without a place begins at the present end", async () => {
		const end = await logEnd();
		const listener = listen({ chains: ["anvil"] });
		await until("the stream to be open", async () => {
			// Its first frame is not an event, so write until one is seen.
			await note("begin");
			return listener.entries().length > 0;
		});
		listener.close();
		expect(Math.min(...positions(listener.entries()))).toBeGreaterThan(end);
	});

	it("that is cut again and again loses nothing and repeats nothing, across a rollback", async () => {
		const start = await logEnd();
		const seen: Seen[] = [];
		let after = `${CHAIN_ID}:${start}`;
		const work = (async () => {
			for (let round = 0; round < 5; round += 1) {
				await note(`cut-${round}`);
				await anvil.mine(1);
				if (round !== 2) continue;
				// Else the blocks are replaced before the service has seen them, and nothing is rolled back.
				await until("the head to be committed", async () => {
					const [node, chain] = [await anvil.blockNumber(), await client.chain("anvil")];
					return chain.head?.height === `${node}`;
				});
				await anvil.reorg(2);
			}
			await anvil.mine(1);
		})();
		let worked = false;
		void work.then(() => {
			worked = true;
		});
		const complete = async () => {
			const [node, chain] = [await anvil.blockNumber(), await client.chain("anvil")];
			return worked && chain.head?.height === `${node}` && chain.rollback === undefined;
		};
		await until("everything to be seen in pieces", async () => {
			const listener = listen({ after, chains: ["anvil"] });
			await until("a few entries or the end", async () => {
				return listener.entries().length >= 3 || (await complete());
			});
			listener.close();
			const got = listener.entries();
			seen.push(...got);
			after = got.at(-1)?.id ?? after;
			return (await complete()) && seen.length >= (await logEnd()) - start;
		});
		await work;
		expect(positions(seen)).toEqual(upTo(await logEnd(), start + 1));
		expect(seen.map(({ type }) => type)).toContain("rollback");
	});

	it("shows a rollback's progress without an id, and its entry with one", async () => {
		const listener = listen({ after: `${CHAIN_ID}:${await logEnd()}`, chains: ["anvil"] });
		await until("the stream to be open", async () => {
			await note("open");
			return listener.entries().length > 0;
		});
		await anvil.reorg(3);
		await anvil.mine(1);
		await until("the rollback's entry", () =>
			listener.entries().some(({ type }) => type === "rollback"),
		);
		listener.close();
		const progress = listener.events.filter(({ type }) => type === "rollback_progress");
		expect(progress.length).toBeGreaterThan(0);
		const ids = listener.events.map(({ id }) => id);
		for (const event of progress) {
			// A reader keeps the id of the entry before, so that resuming passes over nothing.
			expect(event.position).toBeUndefined();
			expect(event.data).toMatchObject({ rollbackId: expect.any(String) });
		}
		expect(ids.at(-1)).toBe(`${CHAIN_ID}:${listener.entries().at(-1)?.position}`);
	});

	it("of some types has these alone, and goes on from them", async () => {
		const listener = listen({ after: `${CHAIN_ID}:0`, chains: ["anvil"], types: ["rollback"] });
		await until("the rollbacks so far", () => listener.entries().length >= 2);
		listener.close();
		expect(new Set(listener.events.map(({ type }) => type))).toEqual(new Set(["rollback"]));
	});

	it("of several chains keeps a place in each", async () => {
		const listener = listen({ after: `${CHAIN_ID}:0,${OTHER.id}:0` });
		const ends = {
			[CHAIN_ID]: await logEnd(),
			[OTHER.id]: Number((await client.chain(OTHER.name)).logPosition),
		};
		await until("both logs", () =>
			[CHAIN_ID, OTHER.id].every((chain) => listener.entries(chain).length >= (ends[chain] ?? 0)),
		);
		listener.close();
		const last = listener.events.at(-1)?.id ?? "";
		for (const chain of [CHAIN_ID, OTHER.id]) {
			const end = ends[chain] ?? 0;
			expect(positions(listener.entries(chain)).slice(0, end)).toEqual(upTo(end));
			expect(last).toContain(`${chain}:`);
		}
	});

	it("is answered to a HEAD and to a client that leaves at once", async () => {
		const head = await service.get("/v1/events", { method: "HEAD" });
		expect(head).toMatchObject({ status: 200, text: "" });
		const visit = async (_: unknown, index: number) => {
			if (index % 3 === 0) await askForEventsAndLeave(service.url);
			else (await openEventClient(service.url)).leave();
		};
		// More than there are places.
		for (let round = 0; round < 10; round += 1)
			await Promise.all(Array.from({ length: 30 }, visit));
		const clients: EventClient[] = [];
		const takePlace = async () => {
			const client = await openEventClient(service.url);
			if (client.status === 200) clients.push(client);
		};
		try {
			await until("all places to be free", async () => {
				const free = Math.min(32, LIMITS.eventClients - clients.length);
				await Promise.all(Array.from({ length: free }, takePlace));
				return clients.length === LIMITS.eventClients;
			});
		} finally {
			for (const client of clients) client.leave();
		}
	});
});
