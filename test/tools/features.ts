/**
 * Prints what the five systems can do, row by row, and the tests that prove that this library can: `npm run features`. A row is proven by a passing
 * test that names its id in its title; one without is a failure.
 */
import { readJson } from "./modules.ts"
import * as Results from "./results.ts"

const features: ReadonlyArray<Results.Claim> = readJson("test/features/features.json")
const results = Results.load()
const proofs = features.map((each) => ({ ...each, proof: Results.prove(each, results) }))
for (const each of proofs) console.log(Results.line(each, each.proof))
const proven = proofs.filter(({ proof }) => proof.verdict === "proven")
console.log(`\n${proven.length} of ${features.length} proven`)
process.exitCode = proven.length === features.length ? 0 : 1
