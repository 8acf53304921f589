/** Which of two answers comes first. */
import type { Clock } from "../domain/clock.ts";

/** Whether `answering` is not settled after `ms`. Rejects as it does. */
export async function isLate(
	answering: Promise<unknown>,
	{ ms, clock }: { readonly ms: number; readonly clock: Clock },
): Promise<boolean> {
	let stop: (() => void) | undefined;
	const late = new Promise<boolean>((resolve) => {
		stop = clock.after(ms, () => resolve(true));
	});
	try {
		return await Promise.race([answering.then(() => false), late]);
	} finally {
		stop?.();
	}
}

/** The first of two that is defined, and which it is; undefined when neither is. */
export async function firstOf<Value>(
	first: Promise<Value | undefined>,
	second: Promise<Value | undefined>,
): Promise<{ readonly of: "first" | "second"; readonly answered: Value } | undefined> {
	const answers = [
		first.then((answered) => ({ of: "first" as const, answered })),
		second.then((answered) => ({ of: "second" as const, answered })),
	];
	const early = await Promise.race(answers);
	if (early.answered !== undefined) return { of: early.of, answered: early.answered };
	const other = await (early.of === "first" ? answers[1] : answers[0]);
	if (other?.answered === undefined) return undefined;
	return { of: other.of, answered: other.answered };
}
