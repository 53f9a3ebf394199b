// An address that can be delivered to: the same laws as the service's, so that most mistakes are named before they are sent.

import type { Address } from "@/api/contract";

export const FIELDS: readonly { name: keyof Address; limit: number; autocomplete: string }[] = [
  { name: "name", limit: 30, autocomplete: "name" },
  { name: "phone", limit: 20, autocomplete: "tel" },
  { name: "province", limit: 20, autocomplete: "address-level1" },
  { name: "city", limit: 20, autocomplete: "address-level2" },
  { name: "district", limit: 20, autocomplete: "address-level3" },
  { name: "street", limit: 100, autocomplete: "street-address" },
];

export type AddressProblems = Partial<Record<keyof Address, "missing" | "phone" | "long">>;

const MOBILE = /^(\+?86)?1[3-9]\d{9}$/;
const LANDLINE = /^0\d{2,3}\d{7,8}(\d{1,6})?$/;

export function checkAddress(address: Address): AddressProblems {
  const problems: AddressProblems = {};
  for (const { name, limit } of FIELDS) {
    const text = address[name].trim();
    if (!text && name !== "district") problems[name] = "missing";
    else if (text.length > limit) problems[name] = "long";
  }
  const phone = address.phone.replace(/[\s()()-]/g, "");
  if (!problems.phone && !MOBILE.test(phone) && !LANDLINE.test(phone)) problems.phone = "phone";
  return problems;
}
