import { expect, it } from "@effect/vitest"
import * as fs from "node:fs"
import * as CredentialsError from "../src/CredentialsError.ts"
import * as Errors from "./tools/errors.ts"

/** Without the padding of tables. */
const plain = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---")

it("the page on errors says what the code says (npm run errors writes it)", () => {
  expect(plain(fs.readFileSync(Errors.file, "utf8"))).toBe(plain(Errors.page()))
})

it("the page has every error there is", () => {
  const all = Object.keys(CredentialsError).filter((name) => /^[A-Z]/.test(name))
  expect(all.filter((name) => !Errors.tags.includes(name))).toEqual([])
})
