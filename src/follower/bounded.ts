/** `work` on every item, at most `limit` at a time; results in the order of the items. */
export async function mapBounded<Item, Result>(
	items: readonly Item[],
	limit: number,
	work: (item: Item, index: number) => Promise<Result>,
): Promise<readonly Result[]> {
	const results = new Array<Result>(items.length);
	const entries = items.entries();
	const workers = Array.from({ length: Math.min(limit, items.length) }, async () => {
		for (const [index, item] of entries) results[index] = await work(item, index);
	});
	await Promise.all(workers);
	return results;
}
