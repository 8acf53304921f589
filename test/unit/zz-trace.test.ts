import { test } from "vitest";
import { Schedule } from "../support/provenance-schedule.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";

const seed = Number(process.env["SEED"]);
test(`seed ${seed}`, async () => {
	const world = await ProvenanceWorld.create();
	const s = (v: unknown) => JSON.stringify(v, (_k, x) => (typeof x === "bigint" ? `${x}` : x));
	const w = world.write.bind(world);
	world.write = async (ops) => {
		console.log("WRITE", s(ops));
		return w(ops);
	};
	const e = world.extend.bind(world);
	world.extend = async (c, n) => {
		console.log("EXTEND", s(c), n);
		return e(c, n);
	};
	const r = world.rollBack.bind(world);
	world.rollBack = async (a, h) => {
		console.log(
			"ROLLBACK to",
			a.number,
			"new head",
			h.number,
			s(
				world.node
					.branch(h.hash)
					.slice(Number(a.number) + 1)
					.map((b) => [b.timestamp, b.content]),
			),
		);
		return r(a, h);
	};
	try {
		await new Schedule(world, new Random(seed)).run({});
	} finally {
		for (const x of world.store.log)
			console.log(x.position, x.kind, x.height, x.operationId ?? "", x.body.slice(0, 300));
	}
});
