/**
 * Prints, case by case, which threat or fault is proven by which tests, on which runtimes: `npm run assurance`. A case is proven by a passing test
 * that names its id in its title. A case of rank MUST or STRONG without one is a failure, and so is a README that says something else than the summary.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { readJson, root } from "./modules.ts"
import * as Results from "./results.ts"

interface Case extends Results.Claim {
  readonly level?: "MUST" | "STRONG"
  /** Why it cannot apply to this library. */
  readonly notApplicable?: string
}

const cases: ReadonlyArray<Case> = readJson("test/assurance/cases.json")
const results = Results.load()
const proofs = cases.map((each) => ({ ...each, proof: Results.prove(each, results) }))

for (const each of proofs) {
  const level = (each.level ?? "").padEnd(7)
  if (each.notApplicable !== undefined) console.log(level, each.id.padEnd(5), "does not apply:", each.notApplicable)
  else console.log(level, Results.line(each, each.proof))
}

const counted = (title: string, among: typeof proofs): string => {
  const proven = among.filter(({ proof }) => proof.verdict === "proven")
  return `${title}: ${proven.length} of ${among.length}`
}
const applicable = proofs.filter(({ notApplicable }) => notApplicable === undefined)
const ranked = (rank: Case["level"]) => applicable.filter(({ level }) => level === rank)
const summary = [
  counted("MUST", ranked("MUST")),
  counted("STRONG", ranked("STRONG")),
  counted("all that apply", applicable),
  `not applicable: ${proofs.length - applicable.length}`
].join(", ")
console.log(`\n${summary}`)
for (const runtime of ["node", "bun", "deno"]) {
  console.log(
    counted(`  proven on ${runtime}`, applicable).replace(
      /: \d+/,
      `: ${applicable.filter(({ proof }) => proof.on.includes(runtime)).length}`
    )
  )
}

const unknown = new Set(
  results
    .flatMap(({ title }) => Array.from(title.matchAll(/\bS\d{3}\b/g), ([id]) => id))
    .filter((id) => !cases.some((each) => each.id === id))
)
const failures = [
  ...proofs
    .filter(
      ({ level, notApplicable, proof }) =>
        notApplicable === undefined &&
        (proof.verdict === "failed" || (level !== undefined && proof.verdict !== "proven"))
    )
    .map(({ id, level, proof }) => `${id} (${level ?? "-"}) is ${proof.verdict}`),
  ...proofs
    .filter(({ notApplicable, proof }) => notApplicable !== undefined && proof.tests > 0)
    .map(({ id }) => `${id} is said not to apply, and a test names it`),
  ...Array.from(unknown, (id) => `a test names ${id}, and there is no such case`)
]
const readme = fs.readFileSync(path.join(root, "README.md"), "utf8")
if (!readme.includes(summary)) failures.push(`the README's line on assurance is not: ${summary}`)
for (const failure of failures) console.error(failure)
process.exitCode = failures.length > 0 ? 1 : 0
