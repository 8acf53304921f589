/** Stands for the code of the chain's file: processes that differ in it count as having other handlers. */
export const HANDLERS_CODE = "one handler for every test";
