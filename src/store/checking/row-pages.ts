/**
 * Every row of a query in pages. `fetch` answers the rows after one, in order, at most `size`; the last
 * page is the one that is not full.
 */
export async function* rowPages<Row>(
	size: number,
	fetch: (after: Row | undefined) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[], void> {
	let after: Row | undefined;
	for (;;) {
		const rows = await fetch(after);
		if (rows.length > 0) yield rows;
		after = rows.at(-1);
		if (rows.length < size) return;
	}
}
