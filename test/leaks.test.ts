/** The hook of the whole suite that fails every test which prints a secret, tried on tests that do. */
import { spawnSync } from "node:child_process"
import * as path from "node:path"
import { expect, it } from "vitest"
import { root } from "./tools/modules.ts"

it("a test that prints a secret, in whatever form, fails, and no other does (S017)", { timeout: 60_000 }, () => {
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs")
  const { error, stderr, stdout } = spawnSync(
    process.execPath,
    [
      ...("Deno" in globalThis ? ["run", "-A"] : []),
      vitest,
      "run",
      "--config=test/leaking/vitest.config.ts",
      "--silent",
      "--reporter=json"
    ],
    { cwd: root, encoding: "utf8" }
  )
  expect(stdout, `${error} ${stderr}`).toContain("{")
  const [file] = JSON.parse(stdout.slice(stdout.indexOf("{"))).testResults
  const results = Object.fromEntries(
    file.assertionResults.map((test: any) => [test.title, test.failureMessages[0]?.split("\n")[0] ?? test.status])
  )
  const printed = (form: string, sink: string) =>
    expect.stringContaining(`a secret was printed: "printed on purpose", ${form}, on the ${sink}`)
  expect(results).toEqual({
    "prints nothing": "passed",
    "prints one to the console": printed("plain", "console"),
    "logs one": printed("plain", "console"),
    "writes one, encoded": printed("base64", "standard streams"),
    "prints a marker": expect.stringContaining(`"c4nary", plain, on the console`),
    "prints something else": "passed"
  })
})
