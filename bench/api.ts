/** Writes and reads over HTTP: throughput and latency as a client sees them. */
import { type BenchService, CHAIN, fact, settledTail, startBenchService } from "./bench-service.ts";
import { figure, percentile, type Row } from "./figures.ts";
import { type LoadRequest, type LoadResult, runLoad } from "./load-client.ts";
import type { Section } from "./section.ts";

const MEMORIES = 10_000;
const BATCH = 100;
const PAGE = 50;
const RESULTS = 10;

interface Case {
	readonly name: string;
	readonly connections: number;
	/** Requests of one repetition. */
	readonly requests: number;
	readonly operationsEach: number;
	readonly make: (number: number) => LoadRequest;
}

export const apiSection: Section = {
	name: "api",
	title: "writes and reads over HTTP",
	run: async ({ quick, say }) => {
		const memories = quick ? 1_000 : MEMORIES;
		const repetitions = quick ? 5 : 7;
		const service = await startBenchService({ pollIntervalMs: 1_000 });
		try {
			say(`writing ${memories} memories`);
			await service.fill(memories);
			const rows: Row[] = [];
			for (const each of cases(memories, quick)) {
				say(`${each.name}, ${each.connections} at once`);
				rows.push(await measured(service, each, repetitions));
			}
			return {
				settings: { memories, repetitions, client: "a thread of the same process" },
				tables: [{ title: "HTTP", rows, notes: NOTES }],
			};
		} finally {
			await service.stop();
		}
	},
};

const NOTES = [
	"Figures over repetitions; p50 and p99 are of all requests of a repetition. Writes are acknowledged:",
	"committed and visible. Every case runs alone, on two cores beside Postgres, Anvil and the client.",
];

async function measured(service: BenchService, each: Case, repetitions: number): Promise<Row> {
	const results: LoadResult[] = [];
	for (let round = -1; round < repetitions; round += 1) {
		const requests = Array.from({ length: each.requests }, (_, index) =>
			each.make((round + 1) * each.requests + index),
		);
		const result = await runLoad({ url: service.url, connections: each.connections, requests });
		await settledTail(service.service);
		if (round >= 0) results.push(result);
	}
	const sorted = results.map(({ latenciesMs }) => latenciesMs.toSorted((a, b) => a - b));
	const perSecond = (count: number) =>
		figure(
			"/s",
			results.map(({ tookMs }) => (count * 1_000) / tookMs),
		);
	return {
		request: each.name,
		"at once": each.connections,
		requests: perSecond(each.requests),
		operations: each.operationsEach === 0 ? "" : perSecond(each.requests * each.operationsEach),
		p50: figure(
			"ms",
			sorted.map((latencies) => percentile(latencies, 0.5)),
		),
		p99: figure(
			"ms",
			sorted.map((latencies) => percentile(latencies, 0.99)),
		),
	};
}

function cases(memories: number, quick: boolean): readonly Case[] {
	const scale = quick ? 0.2 : 1;
	const of = (requests: number) => Math.ceil(requests * scale);
	return [
		write("put without text", { connections: 1, requests: of(200), operationsEach: 1 }),
		write("put without text", { connections: 16, requests: of(800), operationsEach: 1 }),
		write("batch of 100 puts", { connections: 1, requests: of(20), operationsEach: BATCH }),
		write("batch of 100 puts", { connections: 4, requests: of(40), operationsEach: BATCH }),
		...[1, 16].flatMap((connections) => reads(memories, connections, of(200))),
	];
}

function reads(memories: number, connections: number, requests: number): readonly Case[] {
	const common = { connections, requests, operationsEach: 0 };
	const folder = `/v1/chains/${CHAIN}`;
	return [
		{
			...common,
			name: "memory by id",
			make: (number) => get(`${folder}/memories/fact:${(number * 7) % memories}`),
		},
		{
			...common,
			name: `page of ${PAGE}`,
			make: () => get(`${folder}/memories?namespace=default&limit=${PAGE}`),
		},
		{
			...common,
			name: `search, k = ${RESULTS}`,
			make: (number) =>
				post(`${folder}/search`, {
					text: `report ${number % 97} about bridges in week ${number % 53}`,
					k: RESULTS,
				}),
		},
	];
}

let written = 0;

function write(name: string, how: Pick<Case, "connections" | "requests" | "operationsEach">): Case {
	return {
		name,
		...how,
		make: () => {
			const operations = Array.from({ length: how.operationsEach }, () => wire());
			const [only] = operations;
			return post(
				`/v1/chains/${CHAIN}/operations`,
				operations.length === 1 && only !== undefined ? only : { operations },
			);
		},
	};
}

/** A new memory, as a client writes it down. */
function wire() {
	written += 1;
	const { kind: op, id, layer, content, importance } = fact(1_000_000 + written);
	return { op, id, layer, content, importance };
}

function get(path: string): LoadRequest {
	return { method: "GET", path, body: undefined };
}

function post(path: string, body: object): LoadRequest {
	return { method: "POST", path, body: JSON.stringify(body) };
}
