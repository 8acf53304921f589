/** What the story is played on: a node, a gate before it, and a Recant that follows it. */
import { type Anvil, startAnvil } from "../support/anvil.ts";
import { makeServerDir, makeTempDir } from "../support/temp-dir.ts";
import type { Cleanup } from "./cleanup.ts";
import { type Instance, startInstance } from "./instance.ts";
import { type NodeGate, startNodeGate } from "./node-gate.ts";
import { startTwin } from "./winning-chain.ts";

export interface Stage {
	readonly anvil: Anvil;
	readonly gate: NodeGate;
	readonly recant: Instance;
	/** Its data. */
	readonly dataDir: string;
}

/** Everything is handed to `cleanup`; with `keepData` the folder stays. */
export async function setStage(cleanup: Cleanup, keepData: boolean): Promise<Stage> {
	const anvil = await cleanup.start(startAnvil, (started) => started.stop());
	const gate = await cleanup.start(
		() => startNodeGate(anvil.rpcUrl),
		(started) => started.stop(),
	);
	const dataDir = await dataFolder(cleanup, "demo", keepData);
	const recant = await startOn(cleanup, gate.url, dataDir);
	return { anvil, gate, recant, dataDir };
}

export interface TwinStage {
	readonly anvil: Anvil;
	readonly recant: Instance;
}

/** A second node at the same genesis, and a Recant that knows of nothing else. */
export async function setTwinStage(cleanup: Cleanup, original: Anvil): Promise<TwinStage> {
	const anvil = await cleanup.start(
		() => startTwin(original),
		(started) => started.stop(),
	);
	const dataDir = await dataFolder(cleanup, "demo-fresh", false);
	return { anvil, recant: await startOn(cleanup, anvil.rpcUrl, dataDir) };
}

function startOn(cleanup: Cleanup, rpcUrl: string, dataDir: string): Promise<Instance> {
	return cleanup.start(
		() => startInstance({ rpcUrl, dataDir }),
		(started) => started.stop(),
	);
}

async function dataFolder(cleanup: Cleanup, name: string, keep: boolean): Promise<string> {
	const make = async () => (keep ? makeTempDir(name) : makeServerDir(name));
	const { path } = await cleanup.start(make, (dir) => (keep ? undefined : dir.remove()));
	return path;
}
