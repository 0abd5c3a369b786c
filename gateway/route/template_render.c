/* template_render: the path of a record; see route.h */
