/** Time from a block being available at the node to reads that show it. */
import { ToolError } from "../scripts/support/tool-error.ts";
import { type BenchService, CHAIN, startBenchService } from "./bench-service.ts";
import { figure, type Row } from "./figures.ts";
import type { Measured, Section, SectionContext } from "./section.ts";

const POLL_INTERVAL_MS = 50;

interface Sample {
	readonly committedMs: number;
	readonly readMs: number;
	readonly foundMs: number;
	/** From the end of the mining call, the wait for the poll included. */
	readonly rawMs: number;
}

export const queryableSection: Section = {
	name: "queryable",
	title: "from a mined block to reads that show it, vectors included",
	run: async (context) => {
		const services: BenchService[] = [];
		try {
			services.push(await startBenchService({ pollIntervalMs: POLL_INTERVAL_MS }));
			services.push(await startBenchService({ pollIntervalMs: 1_000, webSocket: true }));
			return await measure(services, context);
		} finally {
			for (const service of services) await service.stop();
		}
	},
};

async function measure(
	services: readonly BenchService[],
	{ quick, say }: SectionContext,
): Promise<Measured> {
	const repetitions = quick ? 10 : 50;
	const samples: Sample[][] = services.map(() => []);
	say(`${repetitions} blocks each by polling and by WebSocket`);
	for (let round = -3; round < repetitions; round += 1) {
		for (const [index, service] of services.entries()) {
			const sample = await once(service, index === 0);
			if (round >= 0) samples[index]?.push(sample);
		}
	}
	const [polled = [], announced = []] = samples;
	return {
		settings: { "polling every ms": POLL_INTERVAL_MS, blocks: repetitions },
		tables: [
			{
				title: "Mined → queryable",
				rows: [row("polling", polled), row("WebSocket", announced)],
				notes: [
					"polling: from the first answer of the node that shows the block. WebSocket: from the end of the",
					"mining call. Read and search are HTTP requests sent when an event client hears of the commit.",
				],
			},
		],
	};
}

function row(name: string, samples: readonly Sample[]): Row {
	const of = (part: keyof Sample) =>
		figure(
			"ms",
			samples.map((sample) => sample[part]),
		);
	return {
		heads: name,
		committed: of("committedMs"),
		"read by id": of("readMs"),
		"found by search": of("foundMs"),
		"committed, raw": of("rawMs"),
	};
}

async function once(service: BenchService, polled: boolean): Promise<Sample> {
	const { gate, node, watch } = service;
	const mine = await node.readyBlock();
	const hash = await mine();
	const minedMs = performance.now();
	const { atMs, height } = await watch.committed(hash);
	const startMs = polled ? gate.shownAt(hash) : minedMs;
	const readMs = await readAt(service, hash);
	const foundMs = await searchAt(service, { hash, height });
	return {
		committedMs: atMs - startMs,
		readMs: readMs - startMs,
		foundMs: foundMs - startMs,
		rawMs: atMs - minedMs,
	};
}

async function readAt({ url }: BenchService, hash: string): Promise<number> {
	const answer = await fetch(
		`${url}/v1/chains/${CHAIN}/memories?namespace=ledger&at=${hash}&limit=5`,
	);
	await answer.json();
	return performance.now();
}

/** The block's own transfers are the only ones whose sentence ends with its number. */
async function searchAt(
	{ url }: BenchService,
	{ hash, height }: { readonly hash: string; readonly height: string },
): Promise<number> {
	const answer = await fetch(`${url}/v1/chains/${CHAIN}/search`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({
			text: `transferred in block ${height}`,
			where: { blockHash: hash },
			layers: ["episodic"],
			k: 1,
		}),
	});
	const { results } = (await answer.json()) as { readonly results: readonly unknown[] };
	if (results.length !== 1) {
		throw new ToolError("measurement_failed", {
			message: `the search finds nothing of block ${hash}, which is committed`,
			hint: "this is a defect of the service; see the search's tail and pointer",
		});
	}
	return performance.now();
}
