/* journal: `penstock journal forget OUTLET` */
