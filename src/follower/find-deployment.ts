/** The block in which a contract came to stand at its address, by bisection of its code. */
import { FatalError } from "../domain/errors.ts";
import type { Height, Hex } from "../domain/ids.ts";
import type { InspectedNode } from "./inspected-node.ts";

/**
 * Lowest height at which code stands there; undefined: the node does not have contract state that far back.
 * Throws `FatalError("configuration_invalid")` where none stands at the head. A contract that destroyed
 * itself and came back counts from one of its beginnings.
 */
export async function findDeployment(
	node: Pick<InspectedNode, "code" | "latest">,
	address: Hex,
): Promise<Height | undefined> {
	const head = await node.latest();
	if ((await node.code(address, head.number)) === "0x") throw nothingThere(address, head.number);
	let [low, high] = [0n, head.number];
	while (low < high) {
		const middle = (low + high) / 2n;
		const code = await codeAt(node, address, middle);
		if (code === undefined) return undefined;
		if (code === "0x") low = middle + 1n;
		else high = middle;
	}
	return high;
}

/** Undefined: the node refuses, as one without history does. */
async function codeAt(
	node: Pick<InspectedNode, "code">,
	address: Hex,
	height: Height,
): Promise<Hex | undefined> {
	try {
		return await node.code(address, height);
	} catch {
		// Whatever it says, it cannot tell; who asked names the block then.
		return undefined;
	}
}

function nothingThere(address: Hex, head: Height): FatalError {
	return new FatalError("configuration_invalid", {
		message: `no contract stands at ${address} at block ${head}`,
		hint: "see whether address and network belong together",
		fields: { address, block: head.toString() },
	});
}
