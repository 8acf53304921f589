/** Where a follower stands, as JSON in the chain's row: processes that do not follow it read it there. */
import type { FollowerStatus } from "./follower.ts";

export function statusToText({ state, problem, nodeHead }: FollowerStatus): string {
	return JSON.stringify({ state, problem, nodeHead: nodeHead?.toString() });
}

export function statusFromText(text: string): FollowerStatus {
	const { state, problem, nodeHead } = JSON.parse(text) as Pick<
		FollowerStatus,
		"state" | "problem"
	> & { readonly nodeHead?: string };
	return { state, problem, nodeHead: nodeHead === undefined ? undefined : BigInt(nodeHead) };
}
