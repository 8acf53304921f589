/** What a rollback says of the fork that it follows. */
import { z } from "@hono/zod-openapi";
import { FORK_GROUNDS, FORK_SIGNALS } from "../chain/decision.ts";

const providers = z.int().nonnegative();
export const evidence = z
	.object({
		signals: z.array(z.enum(FORK_SIGNALS)),
		depth: z.int().openapi({ description: "Blocks that it orphans." }),
		support: z
			.object({ confirming: providers, denying: providers, silent: providers })
			.optional()
			.openapi({
				description: "Providers that have the branch, have another block there, or did not say.",
			}),
		polls: z.int().openapi({ description: "Looks in a row that showed it." }),
		heldMs: z.int().openapi({ description: "Milliseconds from the first of them." }),
		because: z.enum(FORK_GROUNDS).openapi({
			description:
				"shallow: at most `confirmBeyondDepth` deep. quorum: enough providers have it. polls: seen in enough looks. grown: it grew while the old branch stood still.",
		}),
	})
	.openapi({ description: "What the fork was followed on; absent if the follower saw none." });
