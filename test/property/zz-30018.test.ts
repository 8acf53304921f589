import { test } from "vitest";
import { Schedule } from "../support/provenance-schedule.ts";
import { ProvenanceWorld } from "../support/provenance-world.ts";
import { Random } from "../support/random.ts";
const json = (x: unknown) => JSON.stringify(x, (_k, v) => (typeof v === "bigint" ? `${v}` : v instanceof Map ? [...v] : v));
test("many", { timeout: 600000 }, async () => {
	const from = Number(process.env["FROM"] ?? 1), n = Number(process.env["N"] ?? 300);
	const kinds = new Map<string, { n: number; seeds: number[]; best: number; text: string }>();
	for (let seed = from; seed < from + n; seed++) {
		const world = await ProvenanceWorld.create();
		const trace: string[] = [];
		const w = world.write.bind(world), r = world.rollBack.bind(world), e = world.extend.bind(world);
		world.write = async (ops) => { trace.push(`write @${world.model.pending} ${ops.map((o) => json({ id: o.operationId, k: o.kind, m: `${o.namespace}/${o.id}`, says: o.says, patch: o.patch, link: o.link, cond: o.condition, mode: o.mode, anchors: o.anchors, sources: o.sources.map((s) => s.map((x) => `${x.id}#${x.contentHash.slice(2, 6)}`)), onLoss: o.onLoss, act: o.isAction })).join("\n   ")}`); const a = await w(ops); trace.push(a ? "  admitted" : "  refused"); return a; };
		world.rollBack = async (a, h) => { trace.push(`rollback to ${a.number} new head ${h.number}: ${json(world.node.branch(h.hash).filter((b) => b.number > a.number).map((b) => [b.number, b.hash.slice(-3), b.timestamp, b.content]))}`); return r(a, h); };
		world.extend = async (c, s) => { trace.push(`extend ${json(c)} +${s}`); return e(c, s); };
		try {
			await new Schedule(world, new Random(seed)).run({});
		} catch (error) {
			const a = (error as any).actual, x = (error as any).expected;
			const lists = a && x && typeof a === "object" ? Object.keys({ ...a, ...x }).filter((k) => json(a[k]) !== json(x[k])).map((k) => (a[k] && Array.isArray(a[k]) ? `${k}${a[k].length > x[k].length ? "+" : "-"}` : k.includes("/") ? "memory" : k)).join(",") : "";
			const msg = lists + " " + String((error as Error).message).split("\n")[0]!.replace(/\d+/g, "N").slice(0, 150);
			const diff = json((error as { diff?: string }).diff ?? "");
			const full = `${(error as Error).message}\n${(error as any).actual ? `actual ${json((error as any).actual)}\nexpected ${json((error as any).expected)}` : (error as Error).stack}`;
			const k = kinds.get(msg) ?? { n: 0, seeds: [], best: 1e9, text: "" };
			k.n++; k.seeds.push(seed);
			if (trace.length < k.best) { k.best = trace.length; k.text = `seed ${seed}\n${trace.join("\n")}\n${full}`; }
			kinds.set(msg, k); void diff;
		}
	}
	for (const [m, k] of kinds) console.log(`=== ${k.n}/${n} ${m}\n${k.seeds.slice(0, 5)}\n${k.text}\n`);
	if (kinds.size === 0) console.log(`all ${n} agree`);
});
