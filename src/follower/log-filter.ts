/** Whether a log is one that was asked for. Nodes are held to it, and what was asked for in one go is parted by it. */
import type { ChainLog } from "../domain/block.ts";
import type { LogFilter, TopicArgs } from "./chain-source.ts";

/** `filter` is in lower case, as logs are. */
export function takesLog(filter: LogFilter, log: ChainLog): boolean {
	if (filter.addresses?.includes(log.address) === false) return false;
	if (filter.topics.length === 0) return true;
	const [signature, ...args] = log.topics;
	return (
		signature !== undefined &&
		filter.topics.includes(signature) &&
		takesArgs(filter.args ?? [], args)
	);
}

/** Of topics 1 to 3. A log with fewer topics than the filter names is not meant by it. */
export function takesArgs(wanted: TopicArgs, given: ChainLog["topics"]): boolean {
	return wanted.every((values, index) => {
		const value = given[index];
		return values === undefined || (value !== undefined && values.includes(value));
	});
}
