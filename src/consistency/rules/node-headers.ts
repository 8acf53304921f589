/**
 * The kept headers, asked from the node again. Above the finalized block the node may have gone on to a
 * fork that the follower has not taken in; so there they are compared only while the node has our head.
 */
import { FOREVER, type Height } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { CheckContext } from "../check-context.ts";
import type { RuleFinding, ScanRule } from "../rule.ts";
import type { StoredHeader } from "../stored-state.ts";
import { byPerson, subject } from "../subject.ts";

export const nodeHeaders: ScanRule<CheckContext> = {
	kind: "scan",
	name: "node-headers",
	level: "paranoid",
	severity: "critical",
	compares: "every kept header of the canonical branch with the node's",
	async *check(context) {
		const { state, at, read } = context;
		const finalized = state.chain.finalized ?? 0n;
		const top = (await hasOurHead(context)) ? at.height : finalized;
		for await (const page of state.headers()) {
			const known = page.filter(
				({ toGen, height, intact }) => toGen === FOREVER && height <= top && intact,
			);
			for (let from = 0; from < known.length; from += LIMITS.rpcBatchCalls) {
				const asked = known.slice(from, from + LIMITS.rpcBatchCalls);
				await read(asked.length);
				const found = await differing(asked, context);
				const above = found.some(({ header }) => header.height > finalized);
				const believed = !above || (await hasOurHead(context));
				yield* found
					.filter(({ header }) => believed || header.height <= finalized)
					.map(({ header, answer }) => differs(header.height, header.hash, answer));
			}
		}
	},
};

async function hasOurHead({ at, parts }: CheckContext): Promise<boolean> {
	const [head] = await parts.node.blocksByNumber([at.height]);
	return head?.hash === at.blockHash;
}

async function differing(
	asked: readonly StoredHeader[],
	{ parts }: CheckContext,
): Promise<readonly { readonly header: StoredHeader; readonly answer: string }[]> {
	const answers = await parts.node.blocksByNumber(asked.map(({ height }) => height));
	return asked.flatMap((header, index) => {
		const answer = answers[index]?.hash;
		// A node that pruned its history says nothing against ours.
		return answer === undefined || answer === header.hash ? [] : [{ header, answer }];
	});
}

function differs(height: Height, kept: string, answered: string): RuleFinding {
	return {
		class: "node_differs",
		subject: subject({ store: "node", table: "blocks", fromBlock: height }),
		message: `block ${height} is kept as ${kept}, the node has ${answered}`,
		since: height,
		remedy: byPerson(
			"check the node's URL and its chain",
			"recant rollback --to <height> --strategy rebuild",
		),
	};
}
