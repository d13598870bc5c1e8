/** Tests that print secrets, on purpose: test/leaks.test.ts runs them and wants them to fail. */
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { canary } from "../support/LeakScanner.ts"

const secret = canary("printed on purpose")

it("prints nothing", () => expect(secret).toBeTruthy())
it("prints one to the console", () => console.warn({ deep: [secret] }))
it("logs one", () => Effect.runPromise(Effect.logError(`Bearer ${secret.slice(5, 20)}`)))
it("writes one, encoded", () => void process.stderr.write(btoa(secret)))
it("prints a marker", () => console.log("c4nary"))
it("prints something else", () => console.log("hello"))
