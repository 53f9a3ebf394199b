// What may not be written: above all, the names of a platform outside the one folder that knows them.
import pluginVue from "eslint-plugin-vue";
import tseslint from "typescript-eslint";
import vueParser from "vue-eslint-parser";

const platformNames = ["uni", "wx", "my", "window", "document", "navigator", "localStorage", "location", "fetch", "getCurrentPages"].map((name) => ({
  name,
  message: "Only src/platform speaks to the platform.",
}));

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "dev/"] },
  ...tseslint.configs.recommendedTypeChecked,
  ...pluginVue.configs["flat/recommended"],
  {
    files: ["src/**/*.{ts,vue}", "tests/**/*.ts", "checks/**/*.ts", "art/**/*.ts", "*.ts"],
    languageOptions: {
      parser: vueParser,
      parserOptions: { parser: tseslint.parser, project: "./tsconfig.json", extraFileExtensions: [".vue"] },
    },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      eqeqeq: "error",
      "no-console": "error",
      "prefer-const": "error",
      // how templates are broken into lines is not worth a rule
      "vue/html-indent": "off",
      "vue/max-attributes-per-line": "off",
      "vue/singleline-html-element-content-newline": "off",
      "vue/html-self-closing": "off",
      "vue/multiline-html-element-content-newline": "off",
      "vue/html-closing-bracket-newline": "off",
      "vue/attribute-hyphenation": "off",
      "vue/first-attribute-linebreak": "off",
      "vue/multi-word-component-names": "off",
      // grams are told apart by their unit
      "vue/prop-name-casing": "off",
      "vue/v-on-event-hyphenation": "off",
    },
  },
  { files: ["src/**/*.{ts,vue}"], ignores: ["src/platform/**"], rules: { "no-restricted-globals": ["error", ...platformNames] } },
  {
    files: ["src/platform/**"],
    // the code of one platform follows that of another, and only one of them is compiled
    rules: { "no-unreachable": "off", "vue/no-multiple-template-root": "off", "vue/no-duplicate-attributes": "off" },
  },
  { files: ["**/*.mjs"], ...tseslint.configs.disableTypeChecked },
  { files: ["art/draw.ts", "checks/**"], rules: { "no-console": "off" } },
);
