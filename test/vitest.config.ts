/** What the command line cannot say: see test/tools/run.ts for the rest. */
export default { test: { setupFiles: ["test/support/leaks.ts"] } }
