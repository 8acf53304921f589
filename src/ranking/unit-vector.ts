/**
 * A caller's vector at unit length in float32. Cosine similarity does not change by it, and what
 * float32 cannot hold, or a sum of squares of it, does no harm: neither 1e-60 nor 1e30.
 *
 * What is such a vector already comes back bit by bit, so that one which is taken from the store and given
 * again has the same hash. `vector` holds finite numbers, not all of them zero.
 */
export function unitVector(vector: readonly number[]): Float32Array {
	if (isUnit(vector)) return Float32Array.from(vector);
	const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
	// Divided first, so that no square overflows or vanishes.
	const scaled = vector.map((value) => value / largest);
	const length = Math.sqrt(scaled.reduce((sum, value) => sum + value * value, 0));
	return Float32Array.from(scaled, (value) => value / length);
}

/** Rounding each part of a unit vector to float32 changes the square of its length by less than 2^-23. */
const ROUNDING = 2 ** -22;

function isUnit(vector: readonly number[]): boolean {
	if (vector.some((value) => Math.fround(value) !== value)) return false;
	return Math.abs(vector.reduce((sum, value) => sum + value * value, 0) - 1) <= ROUNDING;
}
