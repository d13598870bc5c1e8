/** What client credentials add to an app's bundle: minified by esbuild, gzipped as servers do. */
import { gzipSync } from "node:zlib"
import { type Bundle, bundle } from "./bundled.ts"
import { type Contender, type Table } from "./harness.ts"
import { missing, programs } from "./peers.ts"

const floor = "effect and HttpClient"
const names = {
  "by hand, without Effect": "fetch",
  [floor]: "plain",
  "by hand on Effect": "byHand",
  ours: "ours",
  "ours, from the barrel": "oursFromBarrel",
  ...Object.fromEntries(programs)
}
const others = programs.map(([name]) => name)
const bundles = await Promise.all(
  Object.entries(names).map(
    async ([name, program]) =>
      [name, await bundle(program, { platform: others.includes(name) ? "node" : "browser" })] as const
  )
)

const sum = (values: ReadonlyArray<number>): number => values.reduce((all, one) => all + one, 0)
const isOurs = (file: string): boolean => /^(src|effect-credentials)\//.test(file)
const minified = ({ bytes }: Bundle, which: (file: string) => boolean): number =>
  sum(Object.entries(bytes).flatMap(([file, size]) => (which(file) ? [size] : [])))

const whole = ([name, one]: readonly [string, Bundle]): Contender => ({
  name,
  run: () => gzipSync(one.code).length,
  counts: () => ({
    minified: one.code.length,
    "of it ours": minified(one, isOurs),
    "of it Effect's": minified(one, (file) => /^@?effect\//.test(file))
  })
})

/** What an app has for `ours` that it had not for the floor, file by file, largest first. */
const { bytes: bytesOfFloor } = await bundle("plain", { of: "sources" })
const added = Object.entries((await bundle("ours", { of: "sources" })).bytes)
  .map(([file, size]) => [file, size - (bytesOfFloor[file] ?? 0)] as const)
  .filter(([file, size]) => size > 0 && file !== "programs/ours.ts")
  .sort(([, one], [, other]) => other - one)

const shares = (title: string, which: (file: string) => boolean): Table => {
  const files = added.filter(([file]) => which(file))
  const shown = files.slice(0, 16)
  const all = sum(files.map(([, size]) => size))
  const row = (name: string, size: number): Contender => ({
    name,
    run: () => size,
    counts: () => ({ "%": Math.round((size / all) * 100) })
  })
  return {
    title,
    floors: [],
    isTold: true,
    unit: "bytes",
    batch: 1,
    rounds: 1,
    contenders: [
      ...shown.map(([file, size]) => row(file, size)),
      row("smaller ones", all - sum(shown.map(([, size]) => size))),
      row("all of them", all)
    ]
  }
}

export const tables = (): ReadonlyArray<Table> => [
  {
    title: "bundle: client credentials and one call (gzipped)",
    floors: ["by hand on Effect", floor],
    isTold: true,
    unit: "bytes",
    batch: 1,
    rounds: 1,
    ...(missing === undefined ? {} : { note: missing }),
    contenders: bundles.map(whole)
  },
  shares("bundle: what of ours is in it (minified)", isOurs),
  shares("bundle: what else of Effect is in it (minified)", (file) => !isOurs(file))
]
