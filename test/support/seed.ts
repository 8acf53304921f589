/**
 * The seed of a random test: RECANT_SEED, else a fresh one. Printed at once with the command that
 * reruns it, so that a run which is killed can be repeated too.
 */
export function announcedSeed(file: string): number {
	const { RECANT_SEED: given } = process.env;
	const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
	console.info(`seed ${seed}; again: RECANT_SEED=${seed} npx vitest run ${file}`);
	return seed;
}
