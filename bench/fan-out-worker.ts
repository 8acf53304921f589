/**
 * Another process of the service that `fan-out.ts` measures. Its one argument is JSON: variables of the
 * environment, and the chain. Says `ready`; ends at SIGTERM.
 */
import { readEnvironment } from "../src/config/environment.ts";
import { startRecant } from "../src/main.ts";
import { type ManyMemories, manyMemoriesChain } from "./many-memories-chain.ts";

export interface FanOutWorker {
	readonly environment: Readonly<Record<string, string>>;
	readonly chain: ManyMemories;
}

const { environment, chain } = JSON.parse(process.argv[2] ?? "") as FanOutWorker;
const service = await startRecant({
	environment: readEnvironment(environment),
	chains: [manyMemoriesChain(chain)],
});
process.once("SIGTERM", () => {
	service.stop().then(
		() => process.exit(0),
		(error: unknown) => {
			console.error(error);
			process.exit(1);
		},
	);
});
console.info("ready");
