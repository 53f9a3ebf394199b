// Whether the app is in sight.

import { ref } from "vue";

export const appIsShown = ref(true);
