/** How the process ends, for scripts. `recant --help` lists them. */
export const EXIT = {
	ok: 0,
	/** The service answered with an error, or could not be started. */
	failed: 1,
	/** The command line is wrong. */
	usage: 2,
	/** No answer came from the service. */
	unreachable: 3,
	/** The service answered: a chain is halted, or the rollback did not commit. */
	halted: 4,
	/** A check found something that is not as it should be. */
	findings: 5,
	/** The command did its work, and found a proof that is not valid, or replicas that differ. */
	mismatch: 5,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_HELP = `
Exit codes:
  0  success
  1  the service reported an error, or could not be started
  2  wrong usage
  3  the service does not answer
  4  a chain is halted, or the rollback failed, was cancelled or was not done in time
  5  a check found something that is not as it should be
  5  a proof is not valid, or two replicas differ

Environment:
  RECANT_URL      where the service answers (default: made of RECANT_HOST and RECANT_PORT)
  RECANT_API_KEY  bearer key, where the service asks for one
  RECANT_OTHER_API_KEY  bearer key of the replica that compare names
  NO_COLOR        set: no colours
`;
