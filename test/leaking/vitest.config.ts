import suite from "../vitest.config.ts"

/** The suite's own settings, for the tests that are kept out of it. */
export default { test: { ...suite.test, include: ["test/leaking/leaking.ts"] } }
