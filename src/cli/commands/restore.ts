/** `recant restore --to <at>`: what would be brought back, and with --apply bringing it back. */
import type { RestoreInput } from "../../client/requests.ts";
import type { ExitCode } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { showPartial } from "./partial-result.ts";

export interface ApplyFlags {
	readonly apply: boolean;
	/** Idempotency-Key; with one, the same command may be repeated. */
	readonly key: string | undefined;
}

export async function restore(
	session: Session,
	input: RestoreInput,
	flags: ApplyFlags,
): Promise<ExitCode> {
	const chain = await session.chain();
	const answer = await session.client.restore(chain, input, applyOptions(flags));
	return showPartial(session, answer, "add --apply to bring it back");
}

export function applyOptions({ apply, key }: ApplyFlags) {
	return apply ? ({ idempotencyKey: key } as const) : ({ dryRun: true } as const);
}
