/**
 * Fails every test that prints a secret: what goes to the console, the standard streams and through them the logs is searched for all canaries (`canary` of LeakScanner, and
 * `c4nary`, which shorter tests plant). A setup file of the whole suite (RIG-6).
 */
import { afterAll, afterEach } from "vitest"
import { planted, recordConsole, scanner, type Sighting } from "./LeakScanner.ts"

/** Of what was printed since it was looked at last. */
const printed: Array<readonly [sink: string, text: string]> = []
const marker = "c4nary"

let known = 0
let scan = scanner({})

/** What shows in what was printed since the last time. */
export const sightings = (): ReadonlyArray<Sighting> => {
  if (printed.length === 0) return []
  if (known !== planted.size) {
    known = planted.size
    scan = scanner(Object.fromEntries(planted))
  }
  const texts = printed.splice(0)
  const marked = texts.filter(([, text]) => text.includes(marker))
  return [...scan(texts), ...marked.map(([sink]) => ({ canary: marker, sink, form: "plain", around: "" }))]
}

/** Says where, and not what: this text is printed too. */
export const check = (): void => {
  const found = sightings()
  if (found.length === 0) return
  const places = found.map(({ canary, form, sink }) => `"${canary}", ${form}, on the ${sink}`)
  throw new Error(`a secret was printed: ${Array.from(new Set(places)).join("; ")}`)
}

// Where files share a worker this one is run before each of them, and the console is watched once.
const leaks: unique symbol = Symbol.for("effect-credentials/leaks")
const watching = globalThis as { [leaks]?: () => void }
watching[leaks]?.()
watching[leaks] = recordConsole((sink, text) => void printed.push([sink, text]), true)

afterEach(check)
// What is printed between tests, and after the last.
afterAll(check)
