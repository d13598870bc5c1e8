/** Writes a profile of its own again and again: directory, name, how often. */
import * as Effect from "effect/Effect"
import * as Profiles from "../../../src/Profiles.ts"

const [directory = "", name = "", times = "1"] = process.argv.slice(2)

const program = Effect.flatMap(Profiles.Profiles, (profiles) =>
  Effect.forEach(
    Array.from({ length: Number(times) }, (_, nth) => nth + 1),
    (nth) => profiles.write(name, { NTH: `${nth}` }),
    { discard: true }
  )
)

await Effect.runPromise(program.pipe(Effect.provide(Profiles.layerFile({ directory, lockTimeout: "30 seconds" }))))
