/** What the command line cannot say: see test/tools/run.ts for the rest. */
const isNode = !("Bun" in globalThis) && !("Deno" in globalThis)

export default {
  test: {
    setupFiles: ["test/support/leaks.ts"],
    // Simulated worlds live a few milliseconds each: with Node's small nursery a quarter of the time went into the garbage.
    poolOptions: { forks: { execArgv: isNode ? ["--max-semi-space-size=64"] : [] } }
  }
}
