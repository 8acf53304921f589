import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { World } from "../support/world.ts";

/** Anvil's two epochs, and twice the blocks between two looks at what became final. */
const FINAL_AFTER_BLOCKS = 96;

test("an operation is final once its slot is, while blocks go on coming one by one", async () => {
	const world = await World.create();
	const [written] = await world.write({ op: "put", id: "note", content: { n: 1 } });
	expect(await world.operation(written)).toMatchObject({ status: "applied", final: false });
	for (let mined = 0; mined < FINAL_AFTER_BLOCKS; mined += 12) {
		await world.chain.empty(12);
		await world.followed();
	}
	const stands = () => world.operation(written);
	await until("the operation is final", async () => (await stands()).final, stands);
	const [later] = await world.write({ op: "put", id: "later", content: { n: 2 } });
	expect(await world.operation(later)).toMatchObject({ status: "applied", final: false });
});
