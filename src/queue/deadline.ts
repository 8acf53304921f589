import type { RecantError } from "../domain/errors.ts";

/**
 * Waits for `work`, at most `deadlineMs`; then rejects with what `late` makes. The work itself cannot
 * be stopped: it may still succeed later, and a later rejection of it is ignored.
 */
export async function withDeadline<T>(
	work: Promise<T>,
	deadlineMs: number,
	late: () => RecantError,
): Promise<T> {
	const { promise, reject } = Promise.withResolvers<never>();
	const timer = setTimeout(() => reject(late()), deadlineMs);
	try {
		return await Promise.race([work, promise]);
	} finally {
		clearTimeout(timer);
	}
}
